// The backward of each operation against central differences of a double oracle, and the same bits
// for any number of threads and at every level.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "engine/core/memory.h"
#include "engine/ops/activation_bwd.h"
#include "engine/ops/attention.h"
#include "engine/ops/attention_bwd.h"
#include "engine/ops/dense.h"
#include "engine/ops/embedding_bwd.h"
#include "engine/ops/layer_norm_bwd.h"
#include "engine/ops/losses.h"

namespace linnet {
namespace {

using kernels::Isa;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

Floats random_floats(std::int64_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> u(-1, 1);
  Floats v(static_cast<std::size_t>(n));
  for (float& x : v) x = u(rng);
  return v;
}

Mat<float> mat(Floats& v, std::int64_t cols) {
  return {v.data(), static_cast<std::int64_t>(v.size()) / cols, cols, cols};
}

std::vector<std::uint32_t> bits(const Floats& v) {
  std::vector<std::uint32_t> b;
  for (const float x : v) b.push_back(std::bit_cast<std::uint32_t>(x));
  return b;
}

/// The gradient of f at x by central differences of the fourth order.
Doubles gradient(const std::function<double(const Doubles&)>& f, const Floats& at) {
  constexpr double h = 1e-3;
  Doubles x(at.begin(), at.end()), g;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double from = x[i];
    const auto moved = [&](double by) {
      x[i] = from + by;
      return f(x);
    };
    g.push_back((8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h));
    x[i] = from;
  }
  return g;
}

void expect_near(const Floats& got, const Doubles& want, double bound, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], bound) << what << i;
}

/// Runs f(context) at every level with 1, 2, 3 and 5 threads; all results must have the same bits.
template <class F>
Floats same_everywhere(const F& f) {
  Floats first;
  for (const Isa isa : kernels::supported_isas()) {
    const auto table = kernels::make_table(isa);
    for (const int count : {1, 2, 3, 5}) {
      Threads threads(count);
      Floats got = f(Context{table, threads});
      if (first.empty()) first = got;
      EXPECT_EQ(bits(got), bits(first)) << kernels::name(isa) << ", " << count << " threads";
    }
  }
  return first;
}

void append(Floats& to, const Floats& from) { to.insert(to.end(), from.begin(), from.end()); }

TEST(DenseBwd, GradientsOfProductBiasAndInput) {
  constexpr std::int64_t T = 70, N = 60, K = 33;
  Floats x = random_floats(T * K, 1), w = random_floats(N * K, 2), b = random_floats(N, 3),
         dy = random_floats(T * N, 4), residual = random_floats(T * K, 5);
  const Floats all = same_everywhere([&](const Context& ctx) {
    Floats y(T * N), dx(T * K), dw(N * K, 1.0f), db(N, 2.0f);
    Floats scratch(
        static_cast<std::size_t>(dense_scratch_floats(ctx.kernels, ctx.threads.count(), N, K)));
    const Dense layer{mat(w, K), mat(b, N)};
    dense(ctx, mat(y, N), mat(x, K), layer, scratch.data());
    dense_bwd(ctx, {mat(dx, K), mat(residual, K), mat(x, K), mat(dy, N)}, layer,
              {mat(dw, K), mat(db, N)}, scratch.data());
    Floats results;
    for (const Floats* part : {&y, &dx, &dw, &db}) append(results, *part);
    return results;
  });
  // The same chains, spelled out.
  const auto at = [](const Floats& v, std::int64_t i) { return v[static_cast<std::size_t>(i)]; };
  Floats want;
  for (std::int64_t t = 0; t < T; ++t) {
    for (std::int64_t n = 0; n < N; ++n) {
      float acc = 0;
      for (std::int64_t k = 0; k < K; ++k) acc = std::fma(at(x, t * K + k), at(w, n * K + k), acc);
      want.push_back(acc + at(b, n));
    }
  }
  for (std::int64_t t = 0; t < T; ++t) {
    for (std::int64_t k = 0; k < K; ++k) {
      float acc = 0;
      for (std::int64_t n = 0; n < N; ++n) acc = std::fma(at(dy, t * N + n), at(w, n * K + k), acc);
      want.push_back(at(residual, t * K + k) + acc);
    }
  }
  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t k = 0; k < K; ++k) {
      float acc = 1;
      for (std::int64_t t = 0; t < T; ++t) acc = std::fma(at(dy, t * N + n), at(x, t * K + k), acc);
      want.push_back(acc);
    }
  }
  for (std::int64_t n = 0; n < N; ++n) {
    float acc = 2;
    for (std::int64_t t = 0; t < T; ++t) acc += at(dy, t * N + n);
    want.push_back(acc);
  }
  EXPECT_EQ(bits(all), bits(want));
}

// A Conv1D is a dense layer whose weight lies the other way: the same bytes.
TEST(Conv1dBwd, IsTheTransposeOfADenseLayer) {
  constexpr std::int64_t T = 70, N = 60, K = 33;
  Floats x = random_floats(T * K, 1), w = random_floats(N * K, 2), b = random_floats(N, 3),
         dy = random_floats(T * N, 4), residual = random_floats(T * K, 5);
  const auto transposed = [&](Floats& v, std::int64_t rows) {
    const Mat<float> from = mat(v, static_cast<std::int64_t>(v.size()) / rows);
    Floats to;
    for (std::int64_t c = 0; c < from.cols; ++c) {
      for (std::int64_t r = 0; r < rows; ++r) to.push_back(from.row(r)[c]);
    }
    return to;
  };
  Floats wt = transposed(w, N);
  const Floats all = same_everywhere([&](const Context& ctx) {
    Floats y(T * N), dx(T * K), dw(N * K, 1.0f), db(N, 2.0f);
    Floats scratch(
        static_cast<std::size_t>(dense_scratch_floats(ctx.kernels, ctx.threads.count(), N, K)));
    const Dense layer{mat(wt, N), mat(b, N)};
    conv1d(ctx, mat(y, N), mat(x, K), layer, scratch.data());
    conv1d_bwd(ctx, {mat(dx, K), mat(residual, K), mat(x, K), mat(dy, N)}, layer,
               {mat(dw, N), mat(db, N)}, scratch.data());
    Floats results;
    for (const Floats* part : {&y, &dx, &db}) append(results, *part);
    append(results, transposed(dw, K));
    return results;
  });
  const Floats want = same_everywhere([&](const Context& ctx) {
    Floats y(T * N), dx(T * K), dw(N * K, 1.0f), db(N, 2.0f);
    Floats scratch(
        static_cast<std::size_t>(dense_scratch_floats(ctx.kernels, ctx.threads.count(), N, K)));
    const Dense layer{mat(w, K), mat(b, N)};
    dense(ctx, mat(y, N), mat(x, K), layer, scratch.data());
    dense_bwd(ctx, {mat(dx, K), mat(residual, K), mat(x, K), mat(dy, N)}, layer,
              {mat(dw, K), mat(db, N)}, scratch.data());
    Floats results;
    for (const Floats* part : {&y, &dx, &db, &dw}) append(results, *part);
    return results;
  });
  EXPECT_EQ(bits(all), bits(want));
}

/// Three sequences of 5, 1 and 9 tokens.
struct Ragged {
  std::vector<std::int32_t> ids = std::vector<std::int32_t>(15);
  std::vector<std::int64_t> starts{0, 5, 6, 15};
  Batch batch{ids, ids, {}, starts};
};

constexpr std::int64_t kHeads = 2, kWidth = 5, kA = kHeads * kWidth;

enum class Sees { kAll, kUpToItself };

/// Σ dy·attention(qkv), in double; `mask` multiplies the probabilities.
double attention_oracle(const Doubles& qkv, const Floats& dy, const Batch& batch,
                        const Doubles& mask, Sees sees = Sees::kAll,
                        double scale = 1 / std::sqrt(double{kWidth})) {
  double sum = 0;
  std::size_t m = 0;
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)], L = batch.length(b);
    const auto at = [&](std::int64_t t, std::int64_t part, std::int64_t c) {
      return qkv[static_cast<std::size_t>((begin + t) * 3 * kA + part * kA + c)];
    };
    for (std::int64_t c = 0; c < kA; c += kWidth) {
      for (std::int64_t i = 0; i < L; ++i) {
        Doubles e;
        double total = 0;
        for (std::int64_t j = 0; j < L; ++j) {
          double s = 0;
          for (std::int64_t d = 0; d < kWidth; ++d) s += at(i, 0, c + d) * at(j, 1, c + d);
          const bool seen = sees == Sees::kAll || j <= i;
          total += e.emplace_back(seen ? std::exp(s * scale) : 0);
        }
        for (std::int64_t j = 0; j < L; ++j) {
          const double p = e[static_cast<std::size_t>(j)] / total * mask[m++];
          for (std::int64_t d = 0; d < kWidth; ++d) {
            sum += p * at(j, 2, c + d) * dy[static_cast<std::size_t>((begin + i) * kA + c + d)];
          }
        }
      }
    }
  }
  return sum;
}

// Probabilities of sequence b in the order of their elements, 1/(1-p) or 0.
Doubles masks(const Ragged& r, const AttentionDropout& dropout) {
  Doubles all;
  for (std::int64_t b = 0; b < r.batch.B(); ++b) {
    Floats ones(static_cast<std::size_t>(kHeads * r.batch.length(b) * r.batch.length(b)), 1.0f);
    if (dropout.site.probability > 0) {
      kernels::DropoutF32Args a = dropout_args(dropout.site, dropout.step, b);
      a.x = ones.data(), a.n = static_cast<std::int64_t>(ones.size());
      kernels::make_table(Isa::kReference).dropout_f32(a);
    }
    all.insert(all.end(), ones.begin(), ones.end());
  }
  return all;
}

TEST(AttentionBwd, MatchesDifferencesWithAndWithoutDropout) {
  const Ragged r;
  const std::vector<std::uint32_t> samples{4, 5, 6};
  Floats qkv = random_floats(15 * 3 * kA, 6), dy = random_floats(15 * kA, 7);
  for (float& v : qkv) v *= 2;
  for (const float p : {0.0f, 0.3f}) {
    const AttentionDropout dropout{{p, 1, 2}, {11, 12, samples}};
    const Floats all = same_everywhere([&](const Context& ctx) {
      const int threads = ctx.threads.count();
      Block scratch(4 * attention_bwd_scratch_floats(ctx.kernels, threads, 9, kWidth));
      auto* memory = reinterpret_cast<float*>(scratch.data());
      Floats got(qkv.size()), y(dy.size());
      attention_bwd(ctx, mat(got, 3 * kA), mat(qkv, 3 * kA), mat(dy, kA), kHeads, r.batch, dropout,
                    memory);
      attention_dropout(ctx, mat(y, kA), mat(qkv, 3 * kA), kHeads, r.batch, dropout, memory);
      append(got, y);
      return got;
    });
    const Doubles mask = masks(r, dropout);
    const auto f = [&](const Doubles& v) { return attention_oracle(v, dy, r.batch, mask); };
    const auto size = static_cast<std::ptrdiff_t>(qkv.size());
    expect_near({all.begin(), all.begin() + size}, gradient(f, qkv), 3e-6, "dqkv ");
    double forward = 0;
    for (std::size_t i = 0; i < dy.size(); ++i) forward += double{dy[i]} * all[qkv.size() + i];
    EXPECT_NEAR(forward, f({qkv.begin(), qkv.end()}), 1e-5);
  }
}

TEST(CausalAttentionBwd, MatchesDifferencesWithAndWithoutDropout) {
  const Ragged r;
  const std::vector<std::uint32_t> samples{4, 5, 6};
  Floats qkv = random_floats(15 * 3 * kA, 6), dy = random_floats(15 * kA, 7);
  for (float& v : qkv) v *= 2;
  const CausalAttention form{kHeads, 0.3f};
  for (const float p : {0.0f, 0.3f}) {
    const AttentionDropout dropout{{p, 1, 2}, {11, 12, samples}};
    const Floats all = same_everywhere([&](const Context& ctx) {
      const int threads = ctx.threads.count();
      Block scratch(4 * causal_attention_bwd_scratch_floats(ctx.kernels, threads, 9, kWidth));
      auto* memory = reinterpret_cast<float*>(scratch.data());
      Floats got(qkv.size(), std::nanf("")), y(dy.size());
      causal_attention_bwd(ctx, form, mat(got, 3 * kA), mat(qkv, 3 * kA), mat(dy, kA), r.batch,
                           dropout, memory);
      causal_attention_dropout(ctx, form, mat(y, kA), mat(qkv, 3 * kA), r.batch, dropout, memory);
      append(got, y);
      return got;
    });
    const Doubles mask = masks(r, dropout);
    const auto f = [&](const Doubles& v) {
      return attention_oracle(v, dy, r.batch, mask, Sees::kUpToItself, 0.3f);
    };
    const auto size = static_cast<std::ptrdiff_t>(qkv.size());
    expect_near({all.begin(), all.begin() + size}, gradient(f, qkv), 3e-6, "dqkv ");
    double forward = 0;
    for (std::size_t i = 0; i < dy.size(); ++i) forward += double{dy[i]} * all[qkv.size() + i];
    EXPECT_NEAR(forward, f({qkv.begin(), qkv.end()}), 1e-5);
  }
}

// Queries are taken 64 at a time: longer sequences have several such parts. Without dropout the
// values are causal_attention()'s, which divides by the sum of the probabilities at the end.
TEST(CausalAttentionBwd, PartsOfALongSequence) {
  constexpr std::int64_t kLongest = 150, T = 64 + 65 + kLongest;
  std::vector<std::int32_t> ids(T);
  const std::vector<std::int64_t> starts{0, 64, 129, T};
  const Batch batch{ids, ids, {}, starts};
  Floats qkv = random_floats(T * 3 * kA, 16), dy = random_floats(T * kA, 17);
  const CausalAttention form{kHeads, 0.4f};
  const Floats all = same_everywhere([&](const Context& ctx) {
    const int threads = ctx.threads.count();
    Block scratch(
        4 * std::max(causal_attention_bwd_scratch_floats(ctx.kernels, threads, kLongest, kWidth),
                     causal_attention_scratch_floats(ctx.kernels, threads, kLongest, kWidth)));
    auto* memory = reinterpret_cast<float*>(scratch.data());
    Floats got(qkv.size(), std::nanf("")), y(dy.size()), want(dy.size());
    causal_attention_bwd(ctx, form, mat(got, 3 * kA), mat(qkv, 3 * kA), mat(dy, kA), batch, {},
                         memory);
    causal_attention_dropout(ctx, form, mat(y, kA), mat(qkv, 3 * kA), batch, {}, memory);
    causal_attention(ctx, form, mat(want, kA), mat(qkv, 3 * kA), {}, batch, memory);
    expect_near(y, {want.begin(), want.end()}, 1e-6, "y ");
    return got;
  });
  // Differences along one random direction, over all elements at once.
  const Floats direction = random_floats(T * 3 * kA, 18);
  const Doubles ones(static_cast<std::size_t>(kHeads * (64 * 64 + 65 * 65 + kLongest * kLongest)),
                     1);
  const auto moved = [&](double by) {
    Doubles x(qkv.begin(), qkv.end());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += by * direction[i];
    return attention_oracle(x, dy, batch, ones, Sees::kUpToItself, 0.4f);
  };
  constexpr double h = 1e-3;
  const double want = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
  double got = 0;
  for (std::size_t i = 0; i < all.size(); ++i) got += double{all[i]} * direction[i];
  EXPECT_NEAR(got, want, 1e-5 * std::max(1.0, std::abs(want)));
}

TEST(EmbeddingBwd, AddsInTokenOrderWithoutThePadding) {
  const std::vector<std::int32_t> ids{2, 0, 2, 1, 2};
  Floats dx = random_floats(5 * 40, 8);
  const Floats got = same_everywhere([&](const Context& ctx) {
    Floats table(4 * 40, 0.5f);
    embed_bwd(ctx, mat(table, 40), ids, mat(dx, 40), 0);
    return table;
  });
  for (std::size_t d = 0; d < 40; ++d) {
    EXPECT_EQ(got[d], 0.5f);
    EXPECT_EQ(got[40 + d], 0.5f + dx[3 * 40 + d]);
    EXPECT_EQ(got[80 + d], ((0.5f + dx[d]) + dx[80 + d]) + dx[160 + d]);
    EXPECT_EQ(got[120 + d], 0.5f);
  }
}

double log_p(const Doubles& x, std::size_t begin, std::size_t n, std::size_t at,
             std::size_t stride = 1) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::exp(x[begin + i * stride]);
  return x[begin + at * stride] - std::log(sum);
}

TEST(Losses, CrossEntropySmoothedAndIgnored) {
  const std::vector<std::int64_t> labels{2, kIgnoreLabel, 0};
  Floats logits = random_floats(3 * 4, 9);
  const auto f = [&](const Doubles& x) {
    double sum = 0;
    for (const std::size_t r : {std::size_t{0}, std::size_t{2}}) {
      sum -= 0.8 * log_p(x, 4 * r, 4, static_cast<std::size_t>(labels[r]));
      for (std::size_t c = 0; c < 4; ++c) sum -= 0.2 / 4 * log_p(x, 4 * r, 4, c);
    }
    return sum / 5;
  };
  double loss = 0;
  const Floats got = same_everywhere([&](const Context& ctx) {
    Floats d = logits;
    std::vector<double> rows(3);
    loss = cross_entropy(ctx, mat(d, 4), mat(d, 4), labels, {0.2, 5}, {rows.data(), 1, 3, 3});
    return d;
  });
  EXPECT_NEAR(loss, f({logits.begin(), logits.end()}), 1e-14);
  expect_near(got, gradient(f, logits), 1e-7, "dlogits ");
}

TEST(Losses, SpansOverTheTokensOfTheirSequence) {
  const Ragged r;
  // The second start lies past its sequence, the first end before it.
  const std::vector<std::int64_t> starts{3, 1, 0}, ends{-1, 0, 8};
  Floats logits = random_floats(15 * 2, 10);
  const auto f = [&](const Doubles& x) {
    return -(log_p(x, 0, 5, 3, 2) + log_p(x, 12, 9, 0, 2)) / 4 -
           (log_p(x, 1, 5, 0, 2) + log_p(x, 11, 1, 0, 2) + log_p(x, 13, 9, 8, 2)) / 6;
  };
  double loss = 0;
  const Floats d = same_everywhere([&](const Context& ctx) {
    Floats in_place = logits;
    loss = span_cross_entropy(ctx, mat(in_place, 2), mat(in_place, 2), r.batch, {starts, ends}, 0,
                              {2, 3});
    return in_place;
  });
  EXPECT_NEAR(loss, f({logits.begin(), logits.end()}), 1e-14);
  expect_near(d, gradient(f, logits), 1e-7, "dlogits ");
}

TEST(Losses, SquaredErrorAndBinaryCrossEntropy) {
  Floats logits = random_floats(6, 11), targets{0, 1, 1, 0, 1, 0.25f};
  logits[0] = 20, logits[1] = -20;
  const auto squared = [&](const Doubles& x) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - targets[i]) * (x[i] - targets[i]);
    return sum / 7;
  };
  const auto binary = [&](const Doubles& x) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      sum += std::log1p(std::exp(x[i])) - x[i] * targets[i];
    return sum / 7;
  };
  Floats d = logits;
  EXPECT_NEAR(mean_squared_error(mat(d, 3), mat(d, 3), targets, 7),
              squared({logits.begin(), logits.end()}), 1e-13);
  expect_near(d, gradient(squared, logits), 2e-6, "squared ");
  d = logits;
  EXPECT_NEAR(binary_cross_entropy(mat(d, 3), mat(d, 3), targets, 7),
              binary({logits.begin(), logits.end()}), 1e-13);
  expect_near(d, gradient(binary, logits), 1e-7, "binary ");
}

TEST(Losses, DistillationAndCosine) {
  Floats x = random_floats(8, 12), y = random_floats(8, 13);
  constexpr double kT = 3;
  const auto kl = [&](const Doubles& s) {
    double sum = 0;
    const auto scaled = [&](const auto& v) {
      Doubles out;
      for (const auto e : v) out.push_back(double{e} / kT);
      return out;
    };
    for (const std::size_t r : {std::size_t{0}, std::size_t{4}}) {
      for (std::size_t c = 0; c < 4; ++c) {
        const double p = log_p(scaled(y), r, 4, c);
        sum += std::exp(p) * (p - log_p(scaled(s), r, 4, c));
      }
    }
    return sum * kT * kT / 2;
  };
  const auto cosine = [&](const Doubles& s) {
    double sum = 0;
    for (const std::size_t r : {std::size_t{0}, std::size_t{4}}) {
      double ss = 0, yy = 0, sy = 0;
      for (std::size_t c = r; c < r + 4; ++c) {
        ss += s[c] * s[c], yy += double{y[c]} * y[c], sy += s[c] * y[c];
      }
      sum += 1 - sy / std::sqrt(ss * yy);
    }
    return sum / 2;
  };
  double loss = 0;
  Floats d = same_everywhere([&](const Context& ctx) {
    Floats in_place = x;
    std::vector<double> rows(2);
    loss = distillation(ctx, mat(in_place, 4), mat(in_place, 4), mat(y, 4), {kT, 2},
                        {rows.data(), 1, 2, 2});
    return in_place;
  });
  EXPECT_NEAR(loss, kl({x.begin(), x.end()}), 1e-13);
  expect_near(d, gradient(kl, x), 1e-7, "kl ");
  EXPECT_NEAR(cosine_distance(mat(d, 4), mat(x, 4), mat(y, 4), 2), cosine({x.begin(), x.end()}),
              1e-13);
  expect_near(d, gradient(cosine, x), 2e-7, "cosine ");
}

TEST(LayerNormBwd, SameForAnyThreadsAndLevel) {
  constexpr std::int64_t T = 300, D = 70;
  Floats x = random_floats(T * D, 14), dy = random_floats(T * D, 15), gamma = random_floats(D, 16),
         beta = random_floats(D, 17);
  const Floats all = same_everywhere([&](const Context& ctx) {
    Floats y(T * D), mean(T), rstd(T), dx = dy, dgamma(D), dbeta(D);
    const NormRows rows{mat(mean, T), mat(rstd, T)};
    const Norm w{mat(gamma, D), mat(beta, D)};
    layer_norm_fwd(ctx, mat(y, D), rows, mat(x, D), w, 1e-12f);
    layer_norm_bwd(ctx, mat(dx, D), mat(dx, D), mat(x, D), rows, w,
                   {mat(dgamma, D), mat(dbeta, D)});
    append(dx, dgamma);
    append(dx, dbeta);
    return dx;
  });
  // A constant added to x changes nothing, so each row of dx sums to 0.
  for (std::int64_t t = 0; t < T; ++t) {
    double sum = 0;
    for (std::int64_t d = 0; d < D; ++d) sum += all[static_cast<std::size_t>(t * D + d)];
    ASSERT_NEAR(sum, 0, 2e-5);
  }
}

}  // namespace
}  // namespace linnet
