// Dimension key: T tokens of all sequences, packed   D model width   N outputs   K inputs
#include "engine/compress/compare_layers.h"

#include <algorithm>
#include <cmath>

#include "engine/core/math.h"

namespace linnet::compress {
namespace {

constexpr std::int64_t kRows = 256;  // that are compared at a time
constexpr double kMostDb = 200;

double decibel(double signal, double noise) {
  if (noise == 0) return kMostDb;
  if (signal == 0) return 0;
  return std::min(kMostDb, 10 / math::log(10) * math::log(signal / noise));
}

// Over the tokens of one sequence. To a cosine it is as good as their mean.
std::vector<double> sum_of(Mat<const float> hidden, std::int64_t begin, std::int64_t end) {
  std::vector<double> sum(static_cast<std::size_t>(hidden.cols));
  for (std::int64_t t = begin; t < end; ++t) {
    for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += double{hidden.row(t)[d]};
  }
  return sum;
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t d = 0; d < a.size(); ++d) {
    ab += a[d] * b[d];
    aa += a[d] * a[d];
    bb += b[d] * b[d];
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

}  // namespace

LayerProducts::LayerProducts(Threads& threads, const kernels::KernelTable& kernels,
                             std::int64_t widest_N, std::int64_t widest_K)
    : threads_(threads),
      kernels_(kernels),
      exact_(static_cast<std::size_t>(kRows * widest_N)),
      int8_(exact_.size()),
      scratch_(linear_scratch_bytes(LinearKind::kInt8, threads.count(), kRows, widest_K)) {}

double LayerProducts::snr_db(Mat<const float> x, Linear exact, Linear int8) {
  exact.bias = int8.bias = nullptr;
  const Context ctx{kernels_, threads_, {scratch_.data(), scratch_.bytes()}};
  double signal = 0, noise = 0;
  for (std::int64_t begin = 0; begin < x.rows; begin += kRows) {
    const Mat<const float> rows = x.slice_rows(begin, std::min(x.rows, begin + kRows));
    const Mat<float> y{exact_.data(), rows.rows, exact.N, exact.N};
    const Mat<float> y8{int8_.data(), rows.rows, exact.N, exact.N};
    linear(ctx, y, rows, exact);  // y  [rows, N]
    linear(ctx, y8, rows, int8);  // y8 [rows, N]
    for (std::int64_t i = 0; i < rows.rows * exact.N; ++i) {
      const double want = double{y.data[i]}, error = want - double{y8.data[i]};
      signal += want * want;
      noise += error * error;
    }
  }
  return decibel(signal, noise);
}

OutputCosines compare_outputs(const Batch& batch, Mat<const float> exact, Mat<const float> int8) {
  OutputCosines found;
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)];
    const std::int64_t end = begin + batch.length(b);
    const double c = cosine(sum_of(exact, begin, end), sum_of(int8, begin, end));
    found.mean += c / static_cast<double>(batch.B());
    found.least = std::min(found.least, c);
  }
  return found;
}

}  // namespace linnet::compress
