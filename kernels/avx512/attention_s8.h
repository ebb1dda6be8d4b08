#pragma once

#include "kernels/avx512/chains.h"
#include "kernels/avx512/panel.h"

// Attention in exact INT8. Both products have the form of a sum over groups of a few elements that
// share 32 bits: lanes run over keys for the scores, over the head's columns for the values. 6
// queries at a time, whose scores stay in the first-level cache. Dot is how a level multiplies:
//   Element   of q and of the probabilities: a byte or a 16-bit word; kPer of them are a group
//   kShift    of the bytes of q, which are unsigned
//   add(acc, row, column)   acc + the products of a group
//   store(p, t)             16 elements: the low bits of 16 integers
//   group(t)                the groups of kPer vectors of integers, one per lane
namespace linnet::kernels::avx512 {
namespace {

constexpr int kRowsS8 = 6, kVectorsS8 = 4;

/// The parts of the scratch memory, each a multiple of 64 bytes.
template <class Dot>
struct HeadS8 {
  using Element = typename Dot::Element;
  static constexpr std::int64_t kPer = Dot::kPer;

  std::int64_t keys, groups, vectors;  // keys: rounded up to 16; groups, vectors: of the head
  std::int64_t ldq, lds, ldp;          // elements from row to row
  std::int32_t* k;                     // [keys/16][groups][16] groups of elements
  std::int32_t* begin;                 // [keys]: -kShift · sum over d of k
  float *k_scale, *v_scale;            // [keys]
  std::int32_t* v;                     // [keys/kPer][vectors][16] groups of elements
  Element* q;                          // [queries, ldq]
  float* q_scale;                      // [queries] with the scale of the scores
  float* s;                            // [6, lds]: scores, then probabilities
  Element* p;                          // [6, ldp]
  std::int64_t floats;                 // of all

  HeadS8(float* scratch, std::int64_t all_keys, std::int64_t width) {
    keys = round_up_16(all_keys);
    groups = (width + kPer - 1) / kPer;
    vectors = round_up_16(width) / 16;
    // A line more than the keys need: rows do not share a cache set.
    ldq = 16 * vectors, lds = keys + 16, ldp = keys + 64;
    std::int64_t at = 0;
    const auto take = [&](std::int64_t n) {
      const std::int64_t from = at;
      at += round_up_16(n);
      return scratch == nullptr ? nullptr : scratch + from;
    };
    k = reinterpret_cast<std::int32_t*>(take(keys * groups));
    begin = reinterpret_cast<std::int32_t*>(take(keys));
    k_scale = take(keys), v_scale = take(keys);
    v = reinterpret_cast<std::int32_t*>(take(keys / kPer * vectors * 16));
    q = reinterpret_cast<Element*>(take(keys * ldq / kPer));
    q_scale = take(keys);
    s = take(kRowsS8 * lds);
    p = reinterpret_cast<Element*>(take(kRowsS8 * ldp / kPer));
    floats = at;
  }
};

/// row_scale of 16 rows; absent rows count as 0.
struct Scales16 {
  __m512 scale;
  alignas(64) float inverse[16];
};

inline Scales16 scales_of_16(const float* x, std::int64_t ld, std::int64_t count,
                             std::int64_t width) {
  __m512 most[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) most[i] = _mm512_setzero_ps();
  for (int i = 0; i < 16; ++i) {
    if (i >= count) break;
    __m512i greatest = _mm512_setzero_si512();
    for_each_16(width, [&](std::int64_t d, __mmask16 mask) {
      // Of the 16 rows that come next: a head's part of a row is too short for the hardware's
      // guess.
      _mm_prefetch(reinterpret_cast<const char*>(x + (16 + i) * ld + d), _MM_HINT_T0);
      const __m512 magnitude = _mm512_abs_ps(_mm512_maskz_loadu_ps(mask, x + i * ld + d));
      greatest = _mm512_max_epu32(greatest, _mm512_castps_si512(magnitude));
    });
    most[i] = _mm512_castsi512_ps(greatest);
  }
  transpose_16(most);
#pragma GCC unroll 4
  for (int half = 8; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i) {
      most[i] = _mm512_castsi512_ps(
          _mm512_max_epu32(_mm512_castps_si512(most[i]), _mm512_castps_si512(most[i + half])));
    }
  }
  const __m512 amax = most[0], steps = Vec::splat(127.0f);
  const __mmask16 finite = _mm512_cmp_ps_mask(amax, Vec::splat(__builtin_inff()), _CMP_LT_OQ);
  const __mmask16 large =
      _mm512_mask_cmp_ps_mask(finite, amax, Vec::splat(kQuantizeMin), _CMP_GE_OQ);
  Scales16 s;
  s.scale = _mm512_mask_div_ps(Vec::splat(__builtin_nanf("")), finite, amax, steps);
  _mm512_store_ps(s.inverse, _mm512_maskz_div_ps(large, steps, amax));
  return s;
}

/// The integers of 16 elements + kRoundingMagic, as bits.
inline __m512i integers(const float* x, __mmask16 mask, float inverse) {
  const __m512 t = quantized<Vec>(_mm512_maskz_loadu_ps(mask, x), _mm512_set1_ps(inverse));
  return _mm512_castps_si512(t);
}

/// Quantises 16 rows of q, `count` of them present.
template <class Dot>
void quantize_queries(const AttentionS8Args& a, const HeadS8<Dot>& h, std::int64_t at,
                      std::int64_t count) {
  const float* x = a.q + (a.query_begin + at) * a.ld_qkv;
  const Scales16 s = scales_of_16(x, a.ld_qkv, count, a.head_width);
  _mm512_storeu_ps(h.q_scale + at, s.scale * _mm512_set1_ps(a.scale));
  const __m512i shift = _mm512_set1_epi32(Dot::kShift);
  for (std::int64_t i = 0; i < count; ++i) {
    for_each_16(a.head_width, [&](std::int64_t d, __mmask16 mask) {
      const __m512i t = integers(x + i * a.ld_qkv + d, mask, s.inverse[i]);
      Dot::store(h.q + (at + i) * h.ldq + d, _mm512_add_epi32(t, shift));
    });
  }
}

/// Quantises 16 keys and turns them so that lanes run over keys.
template <class Dot>
void pack_keys(const AttentionS8Args& a, const HeadS8<Dot>& h, std::int64_t j, std::int64_t count) {
  constexpr std::int64_t kChunk = 16 * Dot::kPer;  // elements of 64 bytes
  const float* x = a.k + j * a.ld_qkv;
  const Scales16 s = scales_of_16(x, a.ld_qkv, count, a.head_width);
  _mm512_storeu_ps(h.k_scale + j, s.scale);
  std::int32_t* to = h.k + j * h.groups;
  __m512i sum = _mm512_setzero_si512();
  for (std::int64_t d = 0; d < a.head_width; d += kChunk) {
    alignas(64) typename Dot::Element rows[16][kChunk];
    for (std::int64_t i = 0; i < 16; ++i) {
      for (std::int64_t c = 0; c < kChunk; c += 16) {
        const std::int64_t left = i < count ? a.head_width - d - c : 0;
        const __mmask16 mask = first(left > 0 ? left : 0);
        Dot::store(rows[i] + c, integers(x + i * a.ld_qkv + d + c, mask, s.inverse[i]));
      }
    }
    __m512 turned[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) turned[i] = _mm512_load_ps(rows[i]);
    transpose_16(turned);
    const std::int64_t first_group = d / Dot::kPer;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      if (first_group + i >= h.groups) continue;
      const __m512i column = _mm512_castps_si512(turned[i]);
      _mm512_storeu_si512(to + (first_group + i) * 16, column);
      if (Dot::kShift != 0) sum = Dot::add(sum, _mm512_set1_epi8(INT8_MIN), column);
    }
  }
  _mm512_storeu_si512(h.begin + j, _mm512_sub_epi32(_mm512_setzero_si512(), sum));
}

/// Quantises 16 rows of v and joins those of a group.
template <class Dot>
void pack_values(const AttentionS8Args& a, const HeadS8<Dot>& h, std::int64_t j,
                 std::int64_t count) {
  const float* x = a.v + j * a.ld_qkv;
  const Scales16 s = scales_of_16(x, a.ld_qkv, count, a.head_width);
  _mm512_storeu_ps(h.v_scale + j, s.scale);
  std::int32_t* to = h.v + j / Dot::kPer * h.vectors * 16;
  for (std::int64_t i = 0; i < 16; i += Dot::kPer, to += h.vectors * 16) {
    for_each_16(a.head_width, [&](std::int64_t d, __mmask16 mask) {
      __m512i t[Dot::kPer];
#pragma GCC unroll 4
      for (int e = 0; e < Dot::kPer; ++e) {
        const __mmask16 present = i + e < count ? mask : static_cast<__mmask16>(0);
        t[e] = integers(x + (i + e) * a.ld_qkv + d, present, s.inverse[i + e]);
      }
      _mm512_storeu_si512(to + d, Dot::group(t));
    });
  }
}

/// acc[r][v] lane j = the sum over g < groups of the products of group g of row r with the group at
/// column[g·step + v·vector + j].
template <class Dot, int R, int V>
[[gnu::always_inline]] inline void sums_s8(__m512i (&acc)[R][V], const typename Dot::Element* row,
                                           std::int64_t ld, const std::int32_t* column,
                                           std::int64_t step, std::int64_t vector,
                                           std::int64_t groups) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[r][v] = _mm512_setzero_si512();
  }
  for (std::int64_t g = 0; g < groups; ++g, column += step) {
    __m512i c[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) c[v] = _mm512_loadu_si512(column + v * vector);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      std::int32_t group;
      __builtin_memcpy(&group, row + r * ld + g * Dot::kPer, 4);
      const __m512i x = _mm512_set1_epi32(group);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        acc[r][v] = Dot::add(acc[r][v], x, c[v]);
        asm("" : "+v"(acc[r][v]));  // or the compiler stores the sum in every step
      }
    }
  }
}

/// The scores of R queries from `query` with the keys j .. j + 16·V.
template <class Dot, int R, int V>
void scores_s8(const HeadS8<Dot>& h, std::int64_t query, std::int64_t j) {
  __m512i acc[R][V];
  sums_s8<Dot, R, V>(acc, h.q + query * h.ldq, h.ldq, h.k + j * h.groups, 16, h.groups * 16,
                     h.groups);
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const __m512i begin = _mm512_loadu_si512(h.begin + j + 16 * v);
    const __m512 k_scale = _mm512_loadu_ps(h.k_scale + j + 16 * v);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(acc[r][v], begin));
      const __m512 s = sum * _mm512_set1_ps(h.q_scale[query + r]) * k_scale;
      _mm512_storeu_ps(h.s + r * h.lds + j + 16 * v, s);
    }
  }
}

/// How many keys each of R queries sees: the same for all, or one more for each.
struct Visible {
  std::int64_t first, more;
  std::int64_t of(int r) const { return first + r * more; }
};

/// Calls f(j, masks) for every 16 keys that one of R queries sees.
template <int R, class F>
[[gnu::always_inline]] inline void for_each_16_of(const Visible& n, F f) {
  __mmask16 mask[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) mask[r] = 0xFFFF;
  std::int64_t j = 0;
  for (; j + 16 <= n.first; j += 16) f(j, mask);
  for (; j < n.of(R - 1); j += 16) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) mask[r] = first(n.of(r) > j ? n.of(r) - j : 0);
    f(j, mask);
  }
}

/// From scores to quantised probabilities; factor[r] is what the values are multiplied by.
template <class Dot, int R>
void weigh_s8(const HeadS8<Dot>& h, const Visible& n, float* factor) {
  const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
  __m512 max[R], sum[R], inverse[R];
  __m512i most[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    max[r] = lowest, sum[r] = _mm512_setzero_ps(), most[r] = _mm512_setzero_si512();
  }
  for_each_16_of<R>(n, [&](std::int64_t j, const __mmask16(&mask)[R]) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      max[r] = _mm512_max_ps(max[r], _mm512_mask_loadu_ps(lowest, mask[r], h.s + r * h.lds + j));
    }
  });
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) max[r] = _mm512_set1_ps(max_of(max[r]));
  for_each_16_of<R>(n, [&](std::int64_t j, const __mmask16(&mask)[R]) {
    const __m512 v_scale = _mm512_loadu_ps(h.v_scale + j);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      float* s = h.s + r * h.lds + j;
      const __m512 e = exp_of<Vec>(_mm512_maskz_loadu_ps(mask[r], s) - max[r]);
      sum[r] = _mm512_mask_add_ps(sum[r], mask[r], sum[r], e);
      const __m512 p = _mm512_maskz_mul_ps(mask[r], e, v_scale);
      most[r] = _mm512_max_epu32(most[r], _mm512_castps_si512(_mm512_abs_ps(p)));
      _mm512_storeu_ps(s, p);
    }
  });
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const std::uint32_t bits = _mm512_reduce_max_epu32(most[r]);
    const RowScale scale = row_scale(__builtin_bit_cast(float, bits), 255.0f);
    factor[r] = scale.scale * (1.0f / sum_of(sum[r]));
    inverse[r] = _mm512_set1_ps(scale.inverse);
  }
  for (std::int64_t j = 0; j < n.of(R - 1); j += 16) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512 p = _mm512_loadu_ps(h.s + r * h.lds + j);
      Dot::store(h.p + r * h.ldp + j, _mm512_castps_si512(quantized_u8<Vec>(p, inverse[r])));
    }
  }
}

/// y[d .. d + 16·V) of R queries; `last` masks the last vector.
template <class Dot, int R, int V>
void values_s8(const HeadS8<Dot>& h, float* y, std::int64_t ldy, const float* factor,
               std::int64_t d, __mmask16 last, std::int64_t visible) {
  __m512i acc[R][V];
  sums_s8<Dot, R, V>(acc, h.p, h.ldp, h.v + d, h.vectors * 16, 16,
                     (visible + Dot::kPer - 1) / Dot::kPer);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m512 scale = _mm512_set1_ps(factor[r]);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      _mm512_mask_storeu_ps(y + r * ldy + d + 16 * v, v == V - 1 ? last : 0xFFFF,
                            _mm512_cvtepi32_ps(acc[r][v]) * scale);
    }
  }
}

/// R queries from query_begin + `query`.
template <class Dot, int R>
void attend_s8(const AttentionS8Args& a, const HeadS8<Dot>& h, std::int64_t query) {
  using ScoresFn = void (*)(const HeadS8<Dot>&, std::int64_t, std::int64_t);
  using ValuesFn = void (*)(const HeadS8<Dot>&, float*, std::int64_t, const float*, std::int64_t,
                            __mmask16, std::int64_t);
  static constexpr ScoresFn kScores[] = {scores_s8<Dot, R, 1>, scores_s8<Dot, R, 2>,
                                         scores_s8<Dot, R, 3>, scores_s8<Dot, R, 4>};
  static constexpr ValuesFn kValues[] = {values_s8<Dot, R, 1>, values_s8<Dot, R, 2>,
                                         values_s8<Dot, R, 3>, values_s8<Dot, R, 4>};
  const std::int64_t i = a.query_begin + query;
  const Visible n = a.causal ? Visible{i + 1, 1} : Visible{a.keys, 0};
  const std::int64_t visible = n.of(R - 1), tiles = round_up_16(visible) / 16;
  for (std::int64_t t = 0; t < tiles; t += kVectorsS8) {
    const std::int64_t count = tiles - t < kVectorsS8 ? tiles - t : kVectorsS8;
    kScores[count - 1](h, query, 16 * t);
  }
  float factor[R];
  weigh_s8<Dot, R>(h, n, factor);
  const std::int64_t panels = (h.vectors + kVectorsS8 - 1) / kVectorsS8;
  for (std::int64_t p = 0; p < panels; ++p) {
    const Part part = part_of(h.vectors, panels, p);
    const __mmask16 last = first(a.head_width - 16 * (part.begin + part.size - 1));
    kValues[part.size - 1](h, a.y + i * a.ldy, a.ldy, factor, 16 * part.begin, last, visible);
  }
}

template <class Dot>
void attention_s8_of(const AttentionS8Args& a) {
  const std::int64_t queries = a.query_end - a.query_begin;
  if (queries <= 0) return;
  const HeadS8<Dot> h(a.scratch, a.keys, a.head_width);
  const std::int64_t needed = a.causal ? a.query_end : a.keys;
  for (std::int64_t j = 0; j < needed; j += 16) {
    const std::int64_t count = needed - j < 16 ? needed - j : 16;
    pack_keys(a, h, j, count);
    pack_values(a, h, j, count);
  }
  for (std::int64_t i = 0; i < queries; i += 16) {
    quantize_queries(a, h, i, queries - i < 16 ? queries - i : 16);
  }
  using AttendFn = void (*)(const AttentionS8Args&, const HeadS8<Dot>&, std::int64_t);
  static constexpr AttendFn kAttend[kRowsS8] = {attend_s8<Dot, 1>, attend_s8<Dot, 2>,
                                                attend_s8<Dot, 3>, attend_s8<Dot, 4>,
                                                attend_s8<Dot, 5>, attend_s8<Dot, 6>};
  const std::int64_t blocks = (queries + kRowsS8 - 1) / kRowsS8;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const Part part = part_of(queries, blocks, b);
    kAttend[part.size - 1](a, h, part.begin);
  }
}

}  // namespace
}  // namespace linnet::kernels::avx512
