// Dimension key: L tokens of one sequence, d head width, A = heads · d.
#include "engine/ops/attention_bwd.h"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace linnet {
namespace {

constexpr std::int64_t kScratchAlign = 16;  // floats in 64 bytes

std::int64_t aligned(std::int64_t floats) {
  return (floats + kScratchAlign - 1) / kScratchAlign * kScratchAlign;
}

std::int64_t packed_floats(const kernels::KernelTable& kernels, std::int64_t longest,
                           std::int64_t d) {
  return aligned(std::max(kernels.gemm_f32.packed_floats(longest, d),
                          kernels.gemm_f32.packed_floats(d, longest)));
}

std::int64_t scratch_of_one(const kernels::KernelTable& kernels, std::int64_t longest,
                            std::int64_t d) {
  return 3 * aligned(longest * longest) + packed_floats(kernels, longest, d);
}

std::int64_t longest_of(const Batch& batch) {
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b < batch.B(); ++b) longest = std::max(longest, batch.length(b));
  return longest;
}

// One head of one sequence with its scratch memory.
class Head {
 public:
  Head(const kernels::KernelTable& kernels, std::int64_t L, std::int64_t d, float* scratch)
      : kernels_(kernels),
        L_(L),
        d_(d),
        scale_(static_cast<float>(1 / std::sqrt(static_cast<double>(d)))),
        p_{scratch, L, L, L},
        z_{scratch + aligned(L * L), L, L, L},
        dz_{scratch + 2 * aligned(L * L), L, L, L},
        packed_(scratch + 3 * aligned(L * L)) {}

  // P = softmax(Q·Kᵀ · scale) [L, L]; Z = P, dropped.
  void probabilities(Mat<const float> q, Mat<const float> k, kernels::DropoutF32Args drop,
                     std::int64_t head) {
    times_transposed(p_, q, k);
    for (std::int64_t i = 0; i < L_ * L_; ++i) p_.data[i] *= scale_;
    kernels_.softmax_f32(p_.data, L_, p_.data, L_, L_, L_);
    drop_ = drop;
    drop_.n = L_ * L_;
    drop_.first = head * L_ * L_;
    std::copy_n(p_.data, L_ * L_, z_.data);
    drop_out(z_);
  }
  // y [L, d] = Z·V
  void values(Mat<float> y, Mat<const float> v) { times(y, z_, v); }

  void backward(Mat<float> dq, Mat<float> dk, Mat<float> dv, Mat<const float> q, Mat<const float> k,
                Mat<const float> v, Mat<const float> dy) {
    transposed_times(dv, z_, dy);                                                 // dV [L, d]
    times_transposed(dz_, dy, v);                                                 // dZ [L, L]
    drop_out(dz_);                                                                // dP [L, L]
    kernels_.softmax_bwd_f32({dz_.data, dz_.data, p_.data, L_, scale_, L_, L_});  // dS [L, L]
    times(dq, dz_, k);                                                            // dQ [L, d]
    transposed_times(dk, dz_, q);                                                 // dK [L, d]
  }

 private:
  void drop_out(Mat<float> m) {
    if (drop_.threshold == 0) return;
    drop_.x = m.data;
    kernels_.dropout_f32(drop_);
  }
  // c [L, L] = a·bᵀ
  void times_transposed(Mat<float> c, Mat<const float> a, Mat<const float> b) {
    product(c, a, b.data, b.ld, 1, L_, d_);
  }
  // c [L, d] = a·b
  void times(Mat<float> c, Mat<const float> a, Mat<const float> b) {
    product(c, a, b.data, 1, b.ld, d_, L_);
  }
  void product(Mat<float> c, Mat<const float> a, const float* b, std::int64_t stride_n,
               std::int64_t stride_k, std::int64_t N, std::int64_t K) {
    kernels_.gemm_f32.pack(packed_, b, stride_n, stride_k, N, K, 0, N);
    kernels::GemmF32Args g;
    g.y = c.data, g.ldy = c.ld;
    g.x = a.data, g.ldx = a.ld;
    g.w = packed_;
    g.M = L_, g.N = N, g.K = K, g.n_end = N;
    kernels_.gemm_f32.run(g);
  }
  // c [L, d] = aᵀ·b
  void transposed_times(Mat<float> c, Mat<const float> a, Mat<const float> b) {
    kernels::GemmTnF32Args g;
    g.c = c.data, g.ldc = c.ld;
    g.a = a.data, g.lda = a.ld;
    g.b = b.data, g.ldb = b.ld;
    g.T = L_, g.N = L_, g.K = d_, g.n_end = L_;
    kernels_.gemm_tn_f32(g);
  }

  const kernels::KernelTable& kernels_;
  std::int64_t L_, d_;
  float scale_;
  Mat<float> p_, z_, dz_;
  float* packed_;
  kernels::DropoutF32Args drop_;
};

// Calls f(head of the scratch memory, first token, tokens, number of the head) for every head of
// every sequence. Threads take them as they come: results do not depend on who does it.
template <class F>
void for_each_head(const Context& ctx, const Batch& batch, std::int64_t heads, std::int64_t d,
                   float* scratch, const F& f) {
  const std::int64_t items = batch.B() * heads;
  const std::int64_t mine = scratch_of_one(ctx.kernels, longest_of(batch), d);
  std::atomic<std::int64_t> next{0};
  const auto work = [&](std::int64_t, std::int64_t, int thread) {
    for (std::int64_t i = next.fetch_add(1); i < items; i = next.fetch_add(1)) {
      const std::int64_t b = i / heads;
      Head head(ctx.kernels, batch.length(b), d, scratch + thread * mine);
      f(head, b, i % heads);
    }
  };
  const std::int64_t worthwhile = batch.T() * longest_of(batch) * heads * d / 20'000;
  parallel_for(
      ctx.threads,
      std::min<std::int64_t>({ctx.threads.count(), items, std::max<std::int64_t>(worthwhile, 1)}),
      1, work);
}

kernels::DropoutF32Args args_of(const AttentionDropout& dropout, std::int64_t b) {
  if (dropout.site.probability == 0) return {};
  return dropout_args(dropout.site, dropout.step, b);
}

// q, k and v (0, 1, 2) of one head of one sequence.
template <class T>
Mat<T> part_of(Mat<T> qkv, const Batch& batch, std::int64_t b, std::int64_t column,
               std::int64_t d) {
  const auto i = static_cast<std::size_t>(b);
  return qkv.slice_rows(batch.starts[i], batch.starts[i + 1]).slice_cols(column, column + d);
}

}  // namespace

std::int64_t attention_bwd_scratch_floats(const kernels::KernelTable& kernels, int threads,
                                          std::int64_t longest, std::int64_t head_width) {
  return threads * scratch_of_one(kernels, longest, head_width);
}

void attention_dropout(const Context& ctx, Mat<float> y, Mat<const float> qkv, std::int64_t heads,
                       const Batch& batch, const AttentionDropout& dropout, float* scratch) {
  const std::int64_t A = y.cols, d = A / heads;
  for_each_head(ctx, batch, heads, d, scratch, [&](Head& head, std::int64_t b, std::int64_t h) {
    head.probabilities(part_of(qkv, batch, b, h * d, d), part_of(qkv, batch, b, A + h * d, d),
                       args_of(dropout, b), h);
    head.values(part_of(y, batch, b, h * d, d), part_of(qkv, batch, b, 2 * A + h * d, d));
  });
}

void attention_bwd(const Context& ctx, Mat<float> dqkv, Mat<const float> qkv, Mat<const float> dy,
                   std::int64_t heads, const Batch& batch, const AttentionDropout& dropout,
                   float* scratch) {
  const std::int64_t A = dy.cols, d = A / heads;
  for_each_head(ctx, batch, heads, d, scratch, [&](Head& head, std::int64_t b, std::int64_t h) {
    const auto of = [&](auto m, std::int64_t part) {
      return part_of(m, batch, b, part * A + h * d, d);
    };
    head.probabilities(of(qkv, 0), of(qkv, 1), args_of(dropout, b), h);
    head.backward(of(dqkv, 0), of(dqkv, 1), of(dqkv, 2), of(qkv, 0), of(qkv, 1), of(qkv, 2),
                  of(dy, 0));
  });
}

}  // namespace linnet
