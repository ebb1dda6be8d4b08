#include "kernels/avx512/avx512.h"
#include "kernels/avx512/chains.h"
#include "kernels/avx512/panel.h"
#include "kernels/avx512/softmax.h"

// Scores and values are matrix products of the form of chains.h: keys are packed so that lanes run
// over keys, unless the caller has them so, values are read where they are, lanes over the head's
// columns. 8 queries at a time, whose scores stay in the first- or second-level cache; no score is
// computed twice. A query alone, with keys and values from memory, asks for them before their time:
// panels are as short as pages, at whose ends the hardware stops to fetch ahead.
namespace linnet::kernels::avx512 {
namespace {

constexpr int kRows = 8, kVectors = 3;

/// Row stride of the scores: one line more than the keys need, so that rows do not share a cache
/// set when the keys are a power of two.
std::int64_t score_stride(std::int64_t keys) { return round_up_16(keys) + 16; }

/// packed[panel][d][lane over keys], panels of 16; absent keys are 0.
void pack_keys(float* packed, const AttentionF32Args& a) {
  for (std::int64_t j = 0; j < a.keys; j += kKeyPanel) {
    const std::int64_t width = a.keys - j < kKeyPanel ? a.keys - j : kKeyPanel;
    pack_rows(packed + j * a.head_width, a.k + j * a.ld_kv, a.ld_kv, width, a.head_width);
  }
}

/// A block of queries: the first one, how many keys it sees (if causal, each next one sees one
/// more), and where the scores go.
struct Block {
  std::int64_t query, keys;
  float* scores;
  std::int64_t stride;
};

/// s[r, j .. j + 16·V) = (q·k)·scale over V panels; lanes past the last key hold anything. A query
/// alone asks for the V panels behind these.
template <int R, int V>
void scores(const AttentionF32Args& a, const Block& b, const float* panel, std::int64_t j) {
  __m512 acc[R][V];
  constexpr int P = R == 1 ? V : 0;
  chains<R, V, P>(acc, a.q + b.query * a.ld_qkv, a.ld_qkv, panel, kKeyPanel, a.head_width, 0xFFFF,
                  panel + V * kKeyPanel * a.head_width, kKeyPanel * a.head_width);
  const __m512 scale = _mm512_set1_ps(a.scale);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      _mm512_storeu_ps(b.scores + r * b.stride + j + 16 * v, acc[r][v] * scale);
    }
  }
}

/// Scores of keys that a query does not see: -infinity, so that they are 0 beside the others and
/// change neither the maximum nor the sum.
void hide(const Block& b, std::int64_t rows) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t j = r; j < rows - 1; ++j) {
      b.scores[r * b.stride + b.keys + j] = -__builtin_inff();
    }
  }
}

/// y[r, d .. d + 16·V) = (e·v)·inverse[r]; `last` masks the last vector. The keys that all queries
/// see, then, if causal, those that only the later queries see. Each step asks for P lines of what
/// comes 32 keys later.
template <int R, int V, int P = 0>
void values(const AttentionF32Args& a, const Block& b, const float* inverse, std::int64_t d,
            __mmask16 last) {
  __m512 acc[R][V];
  chains<R, V, P>(acc, b.scores, b.stride, a.v + d, a.ld_kv, b.keys, last, a.v + d + 32 * a.ld_kv);
  if (a.causal) {
#pragma GCC unroll 8
    for (int j = 0; j < R - 1; ++j) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        const float* values = a.v + (b.keys + j) * a.ld_kv + d + 16 * v;
        const __m512 w = _mm512_maskz_loadu_ps(v == V - 1 ? last : 0xFFFF, values);
#pragma GCC unroll 8
        for (int r = j + 1; r < R; ++r) {
          const __m512 x = _mm512_set1_ps(b.scores[r * b.stride + b.keys + j]);
          acc[r][v] = _mm512_fmadd_ps(x, w, acc[r][v]);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m512 scale = _mm512_set1_ps(inverse[r]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      _mm512_mask_storeu_ps(a.y + (b.query + r) * a.ldy + d + 16 * v, v == V - 1 ? last : 0xFFFF,
                            acc[r][v] * scale);
    }
  }
}

using ScoresFn = void (*)(const AttentionF32Args&, const Block&, const float*, std::int64_t);
using ValuesFn = void (*)(const AttentionF32Args&, const Block&, const float*, std::int64_t,
                          __mmask16);
struct Functions {
  ScoresFn scores[kVectors];
  ValuesFn values[kVectors];
};
template <int R>
constexpr Functions kOfRows = {{scores<R, 1>, scores<R, 2>, scores<R, 3>},
                               {values<R, 1>, values<R, 2>, values<R, 3>}};
constexpr Functions kFunctions[kRows] = {kOfRows<1>, kOfRows<2>, kOfRows<3>, kOfRows<4>,
                                         kOfRows<5>, kOfRows<6>, kOfRows<7>, kOfRows<8>};

void attend(const AttentionF32Args& a, const Block& b, std::int64_t rows, const float* keys) {
  const Functions& f = kFunctions[rows - 1];
  const std::int64_t most = a.causal ? b.keys + rows - 1 : b.keys;
  for (std::int64_t j = 0; j < most; j += kPanel) {
    const std::int64_t width = a.keys - j < kPanel ? a.keys - j : kPanel;
    f.scores[(width - 1) / 16](a, b, keys + j * a.head_width, j);
  }
  float inverse[kRows];
  if (a.causal) hide(b, rows);
  exp_of_all({b.scores, b.stride, b.scores, b.stride, most}, rows, inverse);
  const std::int64_t vectors = (a.head_width + 15) / 16;
  if (rows == 1 && a.head_width == 64 && a.ld_kv == 64) {
    return values<1, 4, 4>(a, b, inverse, 0, 0xFFFF);  // one stream of whole lines
  }
  const std::int64_t groups = (vectors + kVectors - 1) / kVectors;
  for (std::int64_t g = 0; g < groups; ++g) {
    const Part part = part_of(vectors, groups, g);
    const std::int64_t last = 16 * (part.begin + part.size - 1);
    f.values[part.size - 1](a, b, inverse, 16 * part.begin, first(a.head_width - last));
  }
}

}  // namespace

std::int64_t attention_f32_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept {
  return round_up_16(keys) * head_width + kRows * score_stride(keys);
}

void attention_f32(const AttentionF32Args& args) noexcept {
  const std::int64_t queries = args.query_end - args.query_begin;
  if (queries <= 0) return;
  AttentionF32Args a = args;
  if (a.ld_kv == 0) a.ld_kv = a.ld_qkv;
  if (a.causal) a.keys = a.query_end;  // nobody sees more
  if (!a.k_in_panels) pack_keys(a.scratch, a);
  const float* keys = a.k_in_panels ? a.k : a.scratch;
  float* rows_of_scores = a.scratch + round_up_16(a.keys) * a.head_width;
  const std::int64_t blocks = (queries + kRows - 1) / kRows;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const Part part = part_of(queries, blocks, i);
    const std::int64_t query = a.query_begin + part.begin;
    const std::int64_t visible = a.causal ? query + 1 : a.keys;
    attend(a, {query, visible, rows_of_scores, score_stride(a.keys)}, part.size, keys);
  }
}

}  // namespace linnet::kernels::avx512
