#include "kernels/avx2/avx2.h"
#include "kernels/avx2/chains.h"
#include "kernels/avx2/panel.h"
#include "kernels/avx2/softmax.h"

// Scores and values are matrix products of the form of chains.h: keys are packed so that lanes run
// over keys, unless the caller has them so; values are read where they are, lanes over the head's
// columns, except the last columns of a head whose width is no multiple of 16, which are copied and
// padded. 6 queries at a time.
namespace linnet::kernels::avx2 {
namespace {

constexpr int kRows = 6;

/// Row stride of the scores: one line more than the keys need, so that rows do not share a cache
/// set when the keys are a power of two.
std::int64_t score_stride(std::int64_t keys) { return round_up_16(keys) + 16; }

/// The parts of the scratch memory.
struct Scratch {
  const float* keys;   // [keys/16][head_width][16]: packed here or by the caller
  float* last_values;  // [keys][16]: columns head_width - head_width % 16 and up, padded with 0
  float* scores;       // [6][score_stride]
};

Scratch place(const AttentionF32Args& a) {
  Scratch s;
  s.keys = a.k_in_panels ? a.k : a.scratch;
  s.last_values = a.scratch + round_up_16(a.keys) * a.head_width;
  s.scores = s.last_values + a.keys * kPanel;
  return s;
}

void pack_keys(float* packed, const AttentionF32Args& a) {
  for (std::int64_t j = 0; j < a.keys; j += kPanel) {
    const std::int64_t width = a.keys - j < kPanel ? a.keys - j : kPanel;
    pack_rows(packed + j * a.head_width, a.k + j * a.ld_kv, a.ld_kv, width, a.head_width);
  }
}

void pack_last_values(float* packed, const AttentionF32Args& a) {
  const std::int64_t full = a.head_width / kPanel * kPanel;
  pack_columns(packed, a.v + full, a.ld_kv, a.head_width - full, a.keys);
}

/// s[r, j .. j+15] = (q·k)·scale
template <int R>
void scores(const AttentionF32Args& a, const Scratch& s, std::int64_t query, std::int64_t j) {
  __m256 acc[R][2];
  chains<R, 1>(acc, a.q + query * a.ld_qkv, a.ld_qkv, s.keys + j * a.head_width, kPanel, 0,
               a.head_width);
  const __m256 scale = _mm256_set1_ps(a.scale);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    float* row = s.scores + r * score_stride(a.keys) + j;
    _mm256_storeu_ps(row, acc[r][0] * scale);
    _mm256_storeu_ps(row + 8, acc[r][1] * scale);
  }
}

/// Keys that the first of the queries from `query` on sees; if causal, each next one sees one more.
std::int64_t visible(const AttentionF32Args& a, std::int64_t query) {
  return a.causal ? query + 1 : a.keys;
}

/// y[r, d .. d+width) = (e·v)·inverse[r], width <= 16: the keys that all queries see, then, if
/// causal, those that only the later queries see.
template <int R>
void values(const AttentionF32Args& a, const Scratch& s, const float* inverse, std::int64_t query,
            std::int64_t d) {
  const std::int64_t width = a.head_width - d;
  const bool full = width >= kPanel;
  const float* v = full ? a.v + d : s.last_values;
  const std::int64_t ld = full ? a.ld_kv : kPanel, stride = score_stride(a.keys);
  const std::int64_t keys = visible(a, query);
  __m256 acc[R][2];
  chains<R, 1>(acc, s.scores, stride, v, ld, 0, keys);
  if (a.causal) {
#pragma GCC unroll 8
    for (int j = 0; j < R - 1; ++j) {
      const __m256 w0 = _mm256_loadu_ps(v + (keys + j) * ld);
      const __m256 w1 = _mm256_loadu_ps(v + (keys + j) * ld + 8);
#pragma GCC unroll 8
      for (int r = j + 1; r < R; ++r) {
        const __m256 x = _mm256_broadcast_ss(s.scores + r * stride + keys + j);
        acc[r][0] = _mm256_fmadd_ps(x, w0, acc[r][0]);
        acc[r][1] = _mm256_fmadd_ps(x, w1, acc[r][1]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m256 scale = _mm256_set1_ps(inverse[r]);
    float* y = a.y + (query + r) * a.ldy + d;
    if (full) {
      _mm256_storeu_ps(y, acc[r][0] * scale);
      _mm256_storeu_ps(y + 8, acc[r][1] * scale);
    } else {
      store(y, acc[r][0] * scale, first(width));
      if (width > 8) store(y + 8, acc[r][1] * scale, first(width - 8));
    }
  }
}

template <int R>
void attend(const AttentionF32Args& a, const Scratch& s, std::int64_t query) {
  const std::int64_t keys = visible(a, query), most = a.causal ? keys + R - 1 : keys;
  for (std::int64_t j = 0; j < most; j += kPanel) scores<R>(a, s, query, j);
  float inverse[R];
  for (int r = 0; r < R; ++r) {
    float* row = s.scores + r * score_stride(a.keys);
    inverse[r] = exp_of_row(row, row, a.causal ? keys + r : keys);
  }
  for (std::int64_t d = 0; d < a.head_width; d += kPanel) values<R>(a, s, inverse, query, d);
}

using AttendFn = void (*)(const AttentionF32Args&, const Scratch&, std::int64_t);
constexpr AttendFn kAttend[kRows] = {attend<1>, attend<2>, attend<3>,
                                     attend<4>, attend<5>, attend<6>};

}  // namespace

std::int64_t attention_f32_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept {
  return round_up_16(keys) * head_width + keys * kPanel + kRows * score_stride(keys);
}

void attention_f32(const AttentionF32Args& args) noexcept {
  const std::int64_t queries = args.query_end - args.query_begin;
  if (queries <= 0) return;
  AttentionF32Args a = args;
  if (a.ld_kv == 0) a.ld_kv = a.ld_qkv;
  if (a.causal) a.keys = a.query_end;  // nobody sees more
  const Scratch s = place(a);
  if (!a.k_in_panels) pack_keys(a.scratch, a);
  if (a.head_width % kPanel != 0) pack_last_values(s.last_values, a);
  const std::int64_t blocks = (queries + kRows - 1) / kRows;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const Part part = part_of(queries, blocks, i);
    kAttend[part.size - 1](a, s, a.query_begin + part.begin);
  }
}

}  // namespace linnet::kernels::avx2
