#include "engine/compress/calibrated_linear.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "engine/compress/cholesky.h"
#include "engine/core/math.h"
#include "engine/core/memory.h"
#include "weights/base/error.h"

namespace linnet::compress {
namespace {

constexpr double kDamping = 0.05;
constexpr std::int64_t kGroup = 64;  // rows of w that one thread works on
constexpr std::int64_t kBlock = 64;  // columns whose errors reach the others in one product
constexpr int kShares = 26;
constexpr std::int64_t kTokens = 512;  // that are transformed at a time

// Half to even, for |x| < 2^51 in the default rounding; the library's functions are slower.
double round_half_even(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

double level(double x) { return std::clamp(round_half_even(x), -127.0, 127.0); }

// H of the layer, ordered by increasing diagonal, as its factor.
struct Factor {
  std::vector<std::int64_t> order;  // the column of W' at each place
  std::vector<double> importance;   // [K64] H[k,k] by column of W'
  std::vector<float> lower;         // [K64, K64] L
  std::vector<double> diagonal;     // [K64] of L

  Factor(Threads& threads, const kernels::KernelTable& kernels, const LinearRecipe& recipe,
         Mat<const float> x);

 private:
  void multiply(Threads& threads, const kernels::KernelTable& kernels, const LinearRecipe& recipe,
                Mat<const float> x);
};

// lower = ZᵀZ for now.
void Factor::multiply(Threads& threads, const kernels::KernelTable& kernels,
                      const LinearRecipe& recipe, Mat<const float> x) {
  const std::int64_t K64 = kernels::padded_k(x.cols);
  Block memory(kTokens * K64 * static_cast<std::int64_t>(sizeof(float)));
  auto* z = reinterpret_cast<float*>(memory.data());
  const Rotation& rotation = recipe.rotation;
  lower.resize(static_cast<std::size_t>(K64 * K64));
  for (std::int64_t first = 0; first < x.rows; first += kTokens) {
    const Mat<const float> some = x.slice_rows(first, std::min(x.rows, first + kTokens));
    parallel_for(threads, some.rows, 16, [&](std::int64_t begin, std::int64_t end, int) {
      kernels::TransformRowsF32Args args;
      args.y = z + begin * K64, args.ldy = K64;
      args.x = some.row(begin), args.ldx = some.ld;
      args.M = end - begin, args.K = some.cols;
      args.transform = {recipe.r.empty() ? nullptr : recipe.r.data(), rotation.n, rotation.thirds,
                        rotation.in_lane};
      kernels.transform_rows_f32(args);
    });
    parallel_for(threads, K64, 16, [&](std::int64_t begin, std::int64_t end, int) {
      kernels::GemmTnF32Args args;
      args.c = lower.data(), args.ldc = K64;
      args.a = args.b = z, args.lda = args.ldb = K64;
      if (first > 0) args.start = kernels::ChainStart::kContinue;
      args.T = some.rows, args.N = args.K = K64;
      args.n_begin = begin, args.n_end = end;
      kernels.gemm_tn_f32(args);
    });
  }
}

Factor::Factor(Threads& threads, const kernels::KernelTable& kernels, const LinearRecipe& recipe,
               Mat<const float> x) {
  multiply(threads, kernels, recipe, x);
  const std::int64_t n = kernels::padded_k(x.cols);
  const auto size = static_cast<std::size_t>(n);
  importance.resize(size);
  for (std::size_t k = 0; k < size; ++k) importance[k] = double{lower[k * size + k]};
  const double mean =
      std::accumulate(importance.begin(), importance.end(), 0.0) / static_cast<double>(n);
  if (!std::isfinite(mean)) {
    throw Error(ErrorCode::kNumeric, "calibration: the inputs of a layer are not finite");
  }
  // Inputs that are all 0 tell nothing: every weight is as good as any other.
  const double damping = mean > 0 ? kDamping * mean : 1;
  for (double& h : importance) h += damping;
  order.resize(size);
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return importance[static_cast<std::size_t>(a)] < importance[static_cast<std::size_t>(b)];
  });

  std::vector<double> h(size * size);
  parallel_for(threads, n, 16, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = order[static_cast<std::size_t>(i)];
      for (std::int64_t j = 0; j <= i; ++j) {
        const std::int64_t column = order[static_cast<std::size_t>(j)];
        h[static_cast<std::size_t>(i * n + j)] =
            double{lower[static_cast<std::size_t>(row * n + column)]};
      }
      h[static_cast<std::size_t>(i * n + i)] += damping;
    }
  });
  if (!cholesky(threads, h.data(), n)) {
    throw Error(ErrorCode::kNumeric, "calibration: the inputs of a layer are not finite");
  }
  std::transform(h.begin(), h.end(), lower.begin(), [](double l) { return static_cast<float>(l); });
  diagonal.resize(size);
  for (std::size_t k = 0; k < size; ++k) diagonal[k] = h[k * size + k];
}

// The scale of a row of W'. 8 partial sums: independent of the compiler.
float best_scale(const double* w, const std::vector<double>& importance) {
  double amax = 0;
  for (std::size_t k = 0; k < importance.size(); ++k) amax = std::max(amax, std::abs(w[k]));
  double least = 0;
  float best = static_cast<float>(amax / 127);
  for (int share = 0; share < kShares; ++share) {
    const auto scale = static_cast<float>(amax * (1 - 0.02 * share) / 127);
    if (scale == 0) break;
    const double inverse = 1 / double{scale};
    std::array<double, 8> partial{};
    for (std::size_t k = 0; k < importance.size(); k += 8) {  // K64 is a multiple of 64
      for (std::size_t i = 0; i < 8; ++i) {
        const double e = w[k + i] - level(w[k + i] * inverse) * double{scale};
        partial[i] += importance[k + i] * (e * e);
      }
    }
    const double cost = std::accumulate(partial.begin(), partial.end(), 0.0);
    if (share == 0 || cost < least) least = cost, best = scale;
  }
  return best;
}

// Rounds up to kGroup rows of W'.
class Rounder {
 public:
  Rounder(const kernels::KernelTable& kernels, const Factor& factor)
      : kernels_(kernels),
        factor_(factor),
        n_(static_cast<std::int64_t>(factor.order.size())),
        row_(static_cast<std::size_t>(n_)),
        w_(static_cast<std::size_t>(kGroup * n_)),
        owed_(w_.size()),
        errors_(static_cast<std::size_t>(kGroup * kBlock)) {}

  void round(QuantizedLinear& layer, const float* w, std::int64_t begin, std::int64_t end) {
    rows_ = end - begin;
    for (std::int64_t r = 0; r < rows_; ++r) {
      transform_weights(row_.data(), w + (begin + r) * layer.K, layer.K, layer.recipe);
      layer.scale[static_cast<std::size_t>(begin + r)] =
          best_scale(row_.data(), factor_.importance);
      for (std::int64_t k = 0; k < n_; ++k) {
        w_[static_cast<std::size_t>(r * n_ + k)] = row_[static_cast<std::size_t>(place(k))];
      }
    }
    std::fill(owed_.begin(), owed_.end(), 0.0f);
    for (std::int64_t first = n_ - kBlock; first >= 0; first -= kBlock) {
      for (std::int64_t r = 0; r < rows_; ++r) {
        round_block(layer.q.data() + (begin + r) * n_, r, first,
                    double{layer.scale[static_cast<std::size_t>(begin + r)]});
      }
      spread(first);
    }
  }

 private:
  std::int64_t place(std::int64_t k) const { return factor_.order[static_cast<std::size_t>(k)]; }

  // owed[k] = Σ_j L[j,k]·e[j] over the columns j that are done.
  void round_block(std::int8_t* q, std::int64_t r, std::int64_t first, double scale) {
    float* owed = owed_.data() + r * n_;
    for (std::int64_t j = first + kBlock - 1; j >= first; --j) {
      const double w = w_[static_cast<std::size_t>(r * n_ + j)];
      const double wanted = w + double{owed[j]} / factor_.diagonal[static_cast<std::size_t>(j)];
      const double rounded = scale > 0 ? level(wanted / scale) : 0;
      q[place(j)] = static_cast<std::int8_t>(rounded);
      const auto e = static_cast<float>(w - rounded * scale);
      errors_[static_cast<std::size_t>((j - first) * kGroup + r)] = e;
      const float* lower = factor_.lower.data() + j * n_;
      for (std::int64_t k = first; k < j; ++k) owed[k] += lower[k] * e;
    }
  }

  // What the columns before the block owe to its errors.
  void spread(std::int64_t first) {
    if (first == 0) return;
    kernels::GemmTnF32Args args;
    args.c = owed_.data(), args.ldc = n_;
    args.a = errors_.data(), args.lda = kGroup;
    args.b = factor_.lower.data() + first * n_, args.ldb = n_;
    args.start = kernels::ChainStart::kContinue;
    args.T = kBlock, args.N = rows_, args.K = first;
    args.n_begin = 0, args.n_end = rows_;
    kernels_.gemm_tn_f32(args);
  }

  const kernels::KernelTable& kernels_;
  const Factor& factor_;
  std::int64_t n_, rows_ = 0;
  std::vector<double> row_, w_;  // one row of W'; the rows in the order of the factor
  std::vector<float> owed_;
  std::vector<float> errors_;  // [kBlock, kGroup]
};

}  // namespace

std::vector<float> smoothing_factors(const float* w, std::int64_t N, Mat<const float> x) {
  const std::int64_t K = x.cols;
  const auto size = static_cast<std::size_t>(K);
  std::vector<double> of_x(size, 1e-5), of_w(size, 1e-5), s(size);
  const auto widen = [&](std::vector<double>& most, const float* row) {
    for (std::size_t k = 0; k < size; ++k) most[k] = std::max(most[k], std::abs(double{row[k]}));
  };
  for (std::int64_t t = 0; t < x.rows; ++t) widen(of_x, x.row(t));
  for (std::int64_t n = 0; n < N; ++n) widen(of_w, w + n * K);
  double logs = 0;
  for (std::size_t k = 0; k < size; ++k) {
    s[k] = std::sqrt(of_x[k] / of_w[k]);
    logs += math::log(s[k]);
  }
  const double mean = math::exp(logs / static_cast<double>(K));
  if (!std::isfinite(mean)) {
    throw Error(ErrorCode::kNumeric, "calibration: the inputs of a layer are not finite");
  }
  std::vector<float> r(size);
  for (std::size_t k = 0; k < size; ++k) r[k] = static_cast<float>(mean / s[k]);
  return r;
}

QuantizedLinear quantize_calibrated(Threads& threads, const kernels::KernelTable& kernels,
                                    const float* w, std::int64_t N, LinearRecipe recipe,
                                    Mat<const float> x) {
  check(recipe, x.cols);
  const Factor factor(threads, kernels, recipe, x);
  QuantizedLinear layer{.N = N, .K = x.cols, .q = {}, .scale = {}, .recipe = std::move(recipe)};
  layer.q.resize(static_cast<std::size_t>(N * layer.ldq()));
  layer.scale.resize(static_cast<std::size_t>(N));
  std::vector<Rounder> rounders(static_cast<std::size_t>(threads.count()),
                                Rounder(kernels, factor));
  parallel_for(threads, (N + kGroup - 1) / kGroup, 1,
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 for (std::int64_t group = begin; group < end; ++group) {
                   rounders[static_cast<std::size_t>(thread)].round(
                       layer, w, group * kGroup, std::min(N, (group + 1) * kGroup));
                 }
               });
  return layer;
}

}  // namespace linnet::compress
