#pragma once

#include "kernels/avx2/chains.h"
#include "kernels/avx2/greatest.h"
#include "kernels/avx2/softmax.h"

// Attention in exact INT8. Both products have the form of a sum over groups of a few elements that
// share 32 bits: lanes run over keys for the scores, over the head's columns for the values. 4
// queries and 16 lanes at a time. Dot is how a level multiplies:
//   Element   of q and of the probabilities: a byte or a 16-bit word; kPer of them are a group
//   kShift    of the bytes of q, which are unsigned
//   add(acc, row, column)   acc + the products of a group
//   store(p, t)             8 elements: the low bits of 8 integers
//   group(t)                the groups of kPer vectors of integers, one per lane
namespace linnet::kernels::avx2 {
namespace {

constexpr int kRowsS8 = 4;

inline std::int64_t round_up_to_16(std::int64_t n) { return (n + 15) / 16 * 16; }

/// The parts of the scratch memory, each a multiple of 64 bytes.
template <class Dot>
struct HeadS8 {
  using Element = typename Dot::Element;
  static constexpr std::int64_t kPer = Dot::kPer;

  std::int64_t keys, width, groups;  // keys and the head's width: rounded up to 16
  std::int64_t lds, ldp;             // elements from row to row of s and p
  std::int32_t* k;                   // [keys/16][groups][16] groups of elements
  std::int32_t* begin;               // [keys]: -kShift · sum over d of k
  float *k_scale, *v_scale;          // [keys]
  std::int32_t* v;                   // [keys/kPer][width] groups of elements
  Element* row;                      // [width]
  Element* q;                        // [4, width]
  float* s;                          // [4, lds]: scores, then probabilities
  Element* p;                        // [4, ldp]
  std::int64_t floats;               // of all

  HeadS8(float* scratch, std::int64_t all_keys, std::int64_t head_width) {
    keys = round_up_to_16(all_keys), width = round_up_to_16(head_width);
    groups = (head_width + kPer - 1) / kPer;
    lds = keys + 16, ldp = keys + 64;  // a line more: rows do not share a cache set
    std::int64_t at = 0;
    const auto take = [&](std::int64_t n) {
      const std::int64_t from = at;
      at += round_up_to_16(n);
      return scratch == nullptr ? nullptr : scratch + from;
    };
    k = reinterpret_cast<std::int32_t*>(take(keys * groups));
    begin = reinterpret_cast<std::int32_t*>(take(keys));
    k_scale = take(keys), v_scale = take(keys);
    v = reinterpret_cast<std::int32_t*>(take(keys / kPer * width));
    row = reinterpret_cast<Element*>(take(width / kPer));
    q = reinterpret_cast<Element*>(take(kRowsS8 * width / kPer));
    s = take(kRowsS8 * lds);
    p = reinterpret_cast<Element*>(take(kRowsS8 * ldp / kPer));
    floats = at;
  }
};

inline RowScale scale_of_row(const float* x, std::int64_t width) {
  return row_scale(__builtin_bit_cast(float, greatest(x, width)));
}

/// The integers of 8 elements + kRoundingMagic, as bits.
template <class Lanes>
inline __m256i integers(const float* x, Lanes lanes, float inverse) {
  return _mm256_castps_si256(quantized<Vec>(load(x, lanes), _mm256_set1_ps(inverse)));
}

/// Quantises a row of the head and returns its scale. Absent elements of its last group are 0.
template <class Dot>
float quantize_row(typename Dot::Element* to, const float* x, std::int64_t width, int shift) {
  const RowScale s = scale_of_row(x, width);
  const __m256i add = _mm256_set1_epi32(shift);
  for_each_8(width, [&](std::int64_t d, auto, auto lanes) {
    Dot::store(to + d, _mm256_add_epi32(integers(x + d, lanes, s.inverse), add));
  });
  return s.scale;
}

/// Quantises 16 keys, `count` of them present, so that lanes run over keys.
template <class Dot>
void pack_keys_s8(const AttentionS8Args& a, const HeadS8<Dot>& h, std::int64_t j,
                  std::int64_t count) {
  std::int32_t* to = h.k + j * h.groups;
  for (std::int64_t i = 0; i < 16; ++i) {
    if (i < count) {
      const float* x = a.k + (j + i) * a.ld_qkv;
      h.k_scale[j + i] = quantize_row<Dot>(h.row, x, a.head_width, 0);
      for (std::int64_t g = 0; g < h.groups; ++g) {
        __builtin_memcpy(to + g * 16 + i, h.row + g * Dot::kPer, 4);
      }
    } else {
      h.k_scale[j + i] = 0;
      for (std::int64_t g = 0; g < h.groups; ++g) to[g * 16 + i] = 0;
    }
  }
  const __m256i zero = _mm256_setzero_si256();
  for (std::int64_t half = 0; half < 16; half += 8) {
    __m256i sum = zero;
    for (std::int64_t g = 0; Dot::kShift != 0 && g < h.groups; ++g) {
      const auto* column = reinterpret_cast<const __m256i*>(to + g * 16 + half);
      sum = Dot::add(sum, _mm256_set1_epi8(INT8_MIN), _mm256_loadu_si256(column));
    }
    auto* begin = reinterpret_cast<__m256i*>(h.begin + j + half);
    _mm256_storeu_si256(begin, _mm256_sub_epi32(zero, sum));
  }
}

/// Quantises kPer rows of v, `count` of them present, and joins them to groups.
template <class Dot>
void pack_values_s8(const AttentionS8Args& a, const HeadS8<Dot>& h, std::int64_t j,
                    std::int64_t count) {
  const float* x = a.v + j * a.ld_qkv;
  std::int32_t* to = h.v + j / Dot::kPer * h.width;
  float inverse[Dot::kPer];
  for (std::int64_t i = 0; i < Dot::kPer; ++i) {
    const RowScale s =
        i < count ? scale_of_row(x + i * a.ld_qkv, a.head_width) : RowScale{0.0f, 0.0f};
    h.v_scale[j + i] = s.scale, inverse[i] = s.inverse;
  }
  for_each_8(a.head_width, [&](std::int64_t d, auto, auto lanes) {
    __m256i t[Dot::kPer];
#pragma GCC unroll 4
    for (int i = 0; i < Dot::kPer; ++i) {
      t[i] = i < count ? integers(x + i * a.ld_qkv + d, lanes, inverse[i]) : _mm256_setzero_si256();
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + d), Dot::group(t));
  });
}

/// acc[r][v] lane j = the sum over g < groups of the products of group g of row r with the group at
/// column[g·step + 8·v + j].
template <class Dot, int R>
[[gnu::always_inline]] inline void sums_s8(__m256i (&acc)[R][2], const typename Dot::Element* row,
                                           std::int64_t ld, const std::int32_t* column,
                                           std::int64_t step, std::int64_t groups) {
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
  for (std::int64_t g = 0; g < groups; ++g, column += step) {
    const __m256i c0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(column));
    const __m256i c1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(column + 8));
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      std::int32_t group;
      __builtin_memcpy(&group, row + r * ld + g * Dot::kPer, 4);
      const __m256i x = _mm256_set1_epi32(group);
      acc[r][0] = Dot::add(acc[r][0], x, c0);
      acc[r][1] = Dot::add(acc[r][1], x, c1);
      asm("" : "+x"(acc[r][0]), "+x"(acc[r][1]));  // or the sums are stored in every step
    }
  }
}

/// The scores of R queries with the keys j .. j + 15.
template <class Dot, int R>
void scores_s8(const HeadS8<Dot>& h, const float* q_scale, std::int64_t j) {
  __m256i acc[R][2];
  sums_s8<Dot, R>(acc, h.q, h.width, h.k + j * h.groups, 16, h.groups);
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    const auto* at = reinterpret_cast<const __m256i*>(h.begin + j + 8 * v);
    const __m256i begin = _mm256_loadu_si256(at);
    const __m256 k_scale = _mm256_loadu_ps(h.k_scale + j + 8 * v);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m256 sum = _mm256_cvtepi32_ps(_mm256_add_epi32(acc[r][v], begin));
      const __m256 s = sum * _mm256_set1_ps(q_scale[r]) * k_scale;
      _mm256_storeu_ps(h.s + r * h.lds + j + 8 * v, s);
    }
  }
}

/// From the scores of one query that sees `visible` keys to its quantised probabilities, of which
/// those up to `most_visible` are 0. Returns what the values are multiplied by.
template <class Dot>
float weigh_s8(const HeadS8<Dot>& h, int r, std::int64_t visible, std::int64_t most_visible) {
  float* s = h.s + r * h.lds;
  const float inverse_sum = exp_of_row(s, s, visible);
  for_each_8(visible, [&](std::int64_t j, auto, auto lanes) {
    store(s + j, load(s + j, lanes) * load(h.v_scale + j, lanes), lanes);
  });
  const RowScale scale = row_scale(__builtin_bit_cast(float, greatest(s, visible)), 255.0f);
  const __m256 inverse = _mm256_set1_ps(scale.inverse);
  typename Dot::Element* p = h.p + r * h.ldp;
  for (std::int64_t j = 0; j < most_visible; j += 8) {
    const __m256 x = load(s + j, first(visible - j));
    Dot::store(p + j, _mm256_castps_si256(quantized_u8<Vec>(x, inverse)));
  }
  return scale.scale * inverse_sum;
}

/// y[d .. d + 15] of R queries.
template <class Dot, int R>
void values_s8(const HeadS8<Dot>& h, float* y, std::int64_t ldy, const float* factor,
               std::int64_t d, std::int64_t columns, std::int64_t visible) {
  __m256i acc[R][2];
  sums_s8<Dot, R>(acc, h.p, h.ldp, h.v + d, h.width, (visible + Dot::kPer - 1) / Dot::kPer);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const __m256 scale = _mm256_set1_ps(factor[r]);
    float* to = y + r * ldy + d;
    store(to, _mm256_cvtepi32_ps(acc[r][0]) * scale, first(columns));
    if (columns > 8) store(to + 8, _mm256_cvtepi32_ps(acc[r][1]) * scale, first(columns - 8));
  }
}

/// R queries from i.
template <class Dot, int R>
void attend_s8(const AttentionS8Args& a, const HeadS8<Dot>& h, std::int64_t i) {
  float q_scale[R], factor[R];
  for (int r = 0; r < R; ++r) {
    const float* x = a.q + (i + r) * a.ld_qkv;
    q_scale[r] = quantize_row<Dot>(h.q + r * h.width, x, a.head_width, Dot::kShift) * a.scale;
  }
  const std::int64_t visible = a.causal ? i + R : a.keys;
  for (std::int64_t j = 0; j < visible; j += 16) scores_s8<Dot, R>(h, q_scale, j);
  for (int r = 0; r < R; ++r) {
    factor[r] = weigh_s8<Dot>(h, r, a.causal ? i + r + 1 : a.keys, visible);
  }
  for (std::int64_t d = 0; d < a.head_width; d += 16) {
    values_s8<Dot, R>(h, a.y + i * a.ldy, a.ldy, factor, d, a.head_width - d, visible);
  }
}

template <class Dot>
void attention_s8_of(const AttentionS8Args& a) {
  const std::int64_t queries = a.query_end - a.query_begin;
  if (queries <= 0) return;
  const HeadS8<Dot> h(a.scratch, a.keys, a.head_width);
  const std::int64_t needed = a.causal ? a.query_end : a.keys;
  for (std::int64_t j = 0; j < needed; j += 16) pack_keys_s8(a, h, j, needed - j);
  for (std::int64_t j = 0; j < needed; j += Dot::kPer) pack_values_s8(a, h, j, needed - j);
  using AttendFn = void (*)(const AttentionS8Args&, const HeadS8<Dot>&, std::int64_t);
  static constexpr AttendFn kAttend[kRowsS8] = {attend_s8<Dot, 1>, attend_s8<Dot, 2>,
                                                attend_s8<Dot, 3>, attend_s8<Dot, 4>};
  const std::int64_t blocks = (queries + kRowsS8 - 1) / kRowsS8;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const Part part = part_of(queries, blocks, b);
    kAttend[part.size - 1](a, h, a.query_begin + part.begin);
  }
}

}  // namespace
}  // namespace linnet::kernels::avx2
