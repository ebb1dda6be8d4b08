// Dimension key: L tokens of one sequence, d head width, A = heads · d, M queries of a run.
#include "engine/ops/attention_bwd.h"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace linnet {
namespace {

constexpr std::int64_t kScratchAlign = 16;  // floats in 64 bytes
// Queries that causal attention takes at a time: it then looks at the keys up to the last of them
// only, and 64 rows of scores for 1,024 keys are 256 KiB.
constexpr std::int64_t kCausalRows = 64;

enum class Sees { kAll, kUpToItself };

struct Form {
  std::int64_t heads;
  float scale;
  Sees sees;

  Form(std::int64_t H, std::int64_t d)
      : heads(H),
        scale(static_cast<float>(1 / std::sqrt(static_cast<double>(d)))),
        sees(Sees::kAll) {}
  explicit Form(const CausalAttention& causal)
      : heads(causal.heads), scale(causal.scale), sees(Sees::kUpToItself) {}
};

std::int64_t aligned(std::int64_t floats) {
  return (floats + kScratchAlign - 1) / kScratchAlign * kScratchAlign;
}

std::int64_t packed_floats(const kernels::KernelTable& kernels, std::int64_t longest,
                           std::int64_t d) {
  return aligned(std::max(kernels.gemm_f32.packed_floats(longest, d),
                          kernels.gemm_f32.packed_floats(d, longest)));
}

std::int64_t rows_at_a_time(Sees sees, std::int64_t longest) {
  return sees == Sees::kAll ? longest : std::min(longest, kCausalRows);
}

std::int64_t scratch_of_one(const kernels::KernelTable& kernels, Sees sees, std::int64_t longest,
                            std::int64_t d) {
  return 3 * aligned(rows_at_a_time(sees, longest) * longest) + packed_floats(kernels, longest, d);
}

// Queries [begin, end) of one head of one sequence of L tokens, and the keys that any of them sees.
struct Queries {
  std::int64_t head, L, begin, end, keys;
};

// Those queries with their scratch memory. Matrices of keys and values are the whole sequence's,
// those of queries have the rows of these queries.
class Rows {
 public:
  Rows(const kernels::KernelTable& kernels, const Form& form, const Queries& queries,
       std::int64_t d, float* scratch)
      : kernels_(kernels), form_(form), at_(queries), M_(queries.end - queries.begin), d_(d) {
    const std::int64_t floats = aligned(M_ * at_.keys);
    p_ = {scratch, M_, at_.keys, at_.keys};
    z_ = {scratch + floats, M_, at_.keys, at_.keys};
    dz_ = {scratch + 2 * floats, M_, at_.keys, at_.keys};
    packed_ = scratch + 3 * floats;
  }

  const Queries& queries() const { return at_; }

  // P = softmax(Q·Kᵀ · scale) [M, keys], 0 where a query does not see a key; Z = P, dropped.
  void probabilities(Mat<const float> q, Mat<const float> k, const kernels::DropoutF32Args& drop) {
    times_transposed(p_, q, k);
    for (std::int64_t i = 0; i < M_ * at_.keys; ++i) p_.data[i] *= form_.scale;
    for_each_run([&](std::int64_t i, std::int64_t rows, std::int64_t n) {
      kernels_.softmax_f32(p_.row(i), p_.ld, p_.row(i), p_.ld, rows, n);
    });
    clear_unseen(p_);
    drop_ = drop;
    std::copy_n(p_.data, M_ * at_.keys, z_.data);
    drop_out(z_);
  }
  // y [M, d] = Z·V
  void values(Mat<float> y, Mat<const float> v) { times(y, z_, v); }

  // dq is written; dk and dv continue.
  void backward(Mat<float> dq, Mat<float> dk, Mat<float> dv, Mat<const float> q, Mat<const float> k,
                Mat<const float> v, Mat<const float> dy) {
    add_transposed_times(dv, z_, dy);  // dV [keys, d]
    times_transposed(dz_, dy, v);      // dZ [M, keys]
    drop_out(dz_);                     // dP [M, keys]
    for_each_run([&](std::int64_t i, std::int64_t rows, std::int64_t n) {
      kernels_.softmax_bwd_f32(
          {dz_.row(i), dz_.row(i), p_.row(i), dz_.ld, form_.scale, rows, n});  // dS [M, keys]
    });
    clear_unseen(dz_);
    times(dq, dz_, k);                 // dQ [M, d]
    add_transposed_times(dk, dz_, q);  // dK [keys, d]
  }

 private:
  // Calls f(first row, rows, keys that they see) for rows that see the same keys.
  template <class F>
  void for_each_run(const F& f) {
    if (form_.sees == Sees::kAll) return f(0, M_, at_.keys);
    for (std::int64_t i = 0; i < M_; ++i) f(i, 1, at_.begin + i + 1);
  }
  void clear_unseen(Mat<float> m) {
    for_each_run([&](std::int64_t i, std::int64_t, std::int64_t n) {
      if (n < m.cols) std::fill(m.row(i) + n, m.row(i) + m.cols, 0.0f);
    });
  }
  void drop_out(Mat<float> m) {
    if (drop_.threshold == 0) return;
    for_each_run([&](std::int64_t i, std::int64_t rows, std::int64_t n) {
      kernels::DropoutF32Args a = drop_;
      a.x = m.row(i);
      a.n = rows * n;
      a.first = (at_.head * at_.L + at_.begin + i) * at_.L;
      kernels_.dropout_f32(a);
    });
  }
  // c [M, keys] = a·bᵀ
  void times_transposed(Mat<float> c, Mat<const float> a, Mat<const float> b) {
    product(c, a, b.data, b.ld, 1, at_.keys, d_);
  }
  // c [M, d] = a·b
  void times(Mat<float> c, Mat<const float> a, Mat<const float> b) {
    product(c, a, b.data, 1, b.ld, d_, at_.keys);
  }
  void product(Mat<float> c, Mat<const float> a, const float* b, std::int64_t stride_n,
               std::int64_t stride_k, std::int64_t N, std::int64_t K) {
    kernels_.gemm_f32.pack(packed_, b, stride_n, stride_k, N, K, 0, N);
    kernels::GemmF32Args g;
    g.y = c.data, g.ldy = c.ld;
    g.x = a.data, g.ldx = a.ld;
    g.w = packed_;
    g.M = M_, g.N = N, g.K = K, g.n_end = N;
    kernels_.gemm_f32.run(g);
  }
  // c [keys, d] += aᵀ·b
  void add_transposed_times(Mat<float> c, Mat<const float> a, Mat<const float> b) {
    kernels::GemmTnF32Args g;
    g.c = c.data, g.ldc = c.ld;
    g.a = a.data, g.lda = a.ld;
    g.b = b.data, g.ldb = b.ld;
    g.start = kernels::ChainStart::kContinue;
    g.T = M_, g.N = at_.keys, g.K = d_, g.n_end = at_.keys;
    kernels_.gemm_tn_f32(g);
  }

  const kernels::KernelTable& kernels_;
  const Form& form_;
  Queries at_;
  std::int64_t M_, d_;
  Mat<float> p_, z_, dz_;
  float* packed_;
  kernels::DropoutF32Args drop_;
};

// Calls f(rows, number of the sequence) for all queries of every head of every sequence, those of
// one head in order. Threads take heads as they come: results do not depend on who does it.
template <class F>
void for_each_rows(const Context& ctx, const Batch& batch, const Form& form, std::int64_t d,
                   float* scratch, const F& f) {
  const std::int64_t items = batch.B() * form.heads;
  const std::int64_t longest = batch.longest();
  const std::int64_t mine = scratch_of_one(ctx.kernels, form.sees, longest, d);
  std::atomic<std::int64_t> next{0};
  const auto work = [&](std::int64_t, std::int64_t, int thread) {
    for (std::int64_t i = next.fetch_add(1); i < items; i = next.fetch_add(1)) {
      const std::int64_t b = i / form.heads, L = batch.length(b);
      const std::int64_t step = rows_at_a_time(form.sees, L);
      for (std::int64_t begin = 0; begin < L; begin += step) {
        const std::int64_t end = std::min(begin + step, L);
        const std::int64_t keys = form.sees == Sees::kAll ? L : end;
        Rows rows(ctx.kernels, form, {i % form.heads, L, begin, end, keys}, d,
                  scratch + thread * mine);
        f(rows, b);
      }
    }
  };
  const std::int64_t worthwhile = batch.T() * longest * form.heads * d / 20'000;
  parallel_for(
      ctx.threads,
      std::min<std::int64_t>({ctx.threads.count(), items, std::max<std::int64_t>(worthwhile, 1)}),
      1, work);
}

kernels::DropoutF32Args args_of(const AttentionDropout& dropout, std::int64_t b) {
  if (dropout.site.probability == 0) return {};
  return dropout_args(dropout.site, dropout.step, b);
}

// Columns of q, k or v (part 0, 1, 2) of one head of one sequence: of all tokens, or of queries.
template <class T>
struct PartOf {
  Mat<T> m;
  const Batch& batch;
  std::int64_t A, d, b;

  Mat<T> keys(const Queries& at, std::int64_t part) const {
    const std::int64_t column = part * A + at.head * d;
    const std::int64_t start = batch.starts[static_cast<std::size_t>(b)];
    return m.slice_rows(start, start + at.L).slice_cols(column, column + d);
  }
  Mat<T> queries(const Queries& at, std::int64_t part) const {
    return keys(at, part).slice_rows(at.begin, at.end);
  }
};

void attend(const Context& ctx, Mat<float> y, Mat<const float> qkv, const Form& form,
            const Batch& batch, const AttentionDropout& dropout, float* scratch) {
  const std::int64_t A = y.cols, d = A / form.heads;
  for_each_rows(ctx, batch, form, d, scratch, [&](Rows& rows, std::int64_t b) {
    const Queries& at = rows.queries();
    const PartOf<const float> x{qkv, batch, A, d, b};
    const PartOf<float> to{y, batch, A, d, b};
    rows.probabilities(x.queries(at, 0), x.keys(at, 1), args_of(dropout, b));
    rows.values(to.queries(at, 0), x.keys(at, 2));
  });
}

void attend_bwd(const Context& ctx, Mat<float> dqkv, Mat<const float> qkv, Mat<const float> dy,
                const Form& form, const Batch& batch, const AttentionDropout& dropout,
                float* scratch) {
  const std::int64_t A = dy.cols, d = A / form.heads;
  for_each_rows(ctx, batch, form, d, scratch, [&](Rows& rows, std::int64_t b) {
    const Queries& at = rows.queries();
    const PartOf<const float> x{qkv, batch, A, d, b}, from{dy, batch, A, d, b};
    const PartOf<float> to{dqkv, batch, A, d, b};
    const Mat<float> dk = to.keys(at, 1), dv = to.keys(at, 2);
    for (std::int64_t t = 0; at.begin == 0 && t < at.L; ++t) {
      std::fill_n(dk.row(t), d, 0.0f);
      std::fill_n(dv.row(t), d, 0.0f);
    }
    rows.probabilities(x.queries(at, 0), x.keys(at, 1), args_of(dropout, b));
    rows.backward(to.queries(at, 0), dk, dv, x.queries(at, 0), x.keys(at, 1), x.keys(at, 2),
                  from.queries(at, 0));
  });
}

}  // namespace

std::int64_t attention_bwd_scratch_floats(const kernels::KernelTable& kernels, int threads,
                                          std::int64_t longest, std::int64_t head_width) {
  return threads * scratch_of_one(kernels, Sees::kAll, longest, head_width);
}

std::int64_t causal_attention_bwd_scratch_floats(const kernels::KernelTable& kernels, int threads,
                                                 std::int64_t longest, std::int64_t head_width) {
  return threads * scratch_of_one(kernels, Sees::kUpToItself, longest, head_width);
}

void attention_dropout(const Context& ctx, Mat<float> y, Mat<const float> qkv, std::int64_t heads,
                       const Batch& batch, const AttentionDropout& dropout, float* scratch) {
  attend(ctx, y, qkv, Form(heads, y.cols / heads), batch, dropout, scratch);
}

void attention_bwd(const Context& ctx, Mat<float> dqkv, Mat<const float> qkv, Mat<const float> dy,
                   std::int64_t heads, const Batch& batch, const AttentionDropout& dropout,
                   float* scratch) {
  attend_bwd(ctx, dqkv, qkv, dy, Form(heads, dy.cols / heads), batch, dropout, scratch);
}

void causal_attention_dropout(const Context& ctx, const CausalAttention& form, Mat<float> y,
                              Mat<const float> qkv, const Batch& batch,
                              const AttentionDropout& dropout, float* scratch) {
  attend(ctx, y, qkv, Form(form), batch, dropout, scratch);
}

void causal_attention_bwd(const Context& ctx, const CausalAttention& form, Mat<float> dqkv,
                          Mat<const float> qkv, Mat<const float> dy, const Batch& batch,
                          const AttentionDropout& dropout, float* scratch) {
  attend_bwd(ctx, dqkv, qkv, dy, Form(form), batch, dropout, scratch);
}

}  // namespace linnet
