#include "kernels/avx512/avx512.h"
#include "kernels/avx512/bf16.h"
#include "kernels/avx512/panel.h"

// A panel holds pairs of k of one column side by side: pairs are made first, as numbers of 32 bits,
// and then placed like the floats of an FP32 panel.
namespace linnet::kernels::avx512 {
namespace {

static_assert(kPanelBf16 == kPanel);

/// w[c·stride_n + k·stride_k] for the first `count` of 16 columns c, the others 0.
inline __m512 columns_at(const float* w, std::int64_t stride_n, std::int64_t count) {
  if (stride_n == 1) return _mm512_maskz_loadu_ps(first(count), w);
  alignas(64) float column[16] = {};
  for (std::int64_t c = 0; c < count && c < 16; ++c) column[c] = w[c * stride_n];
  return _mm512_load_ps(column);
}

/// 16 columns whose numbers lie anywhere.
void pack_pairs(std::uint16_t* to, std::int64_t padded, const float* w, std::int64_t stride_n,
                std::int64_t stride_k, std::int64_t count, std::int64_t K) {
  for (std::int64_t k = 0; k < padded_k_bf16(K); k += 2) {
    const float* from = w + k * stride_k;
    const __m512i even = to_bf16(columns_at(from, stride_n, k < K ? count : 0));
    const __m512i odd = to_bf16(columns_at(from + stride_k, stride_n, k + 1 < K ? count : 0));
    _mm512_storeu_si512(to + k * padded, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
  }
}

/// 32 numbers of one row, the first `count` of them present, as 16 pairs.
inline __m512 pairs_of(const float* row, std::int64_t count) {
  const __mmask16 low = first(count), high = first(count < 16 ? 0 : count - 16);
  const __m256i a = _mm512_cvtepi32_epi16(to_bf16(_mm512_maskz_loadu_ps(low, row)));
  const __m256i b = _mm512_cvtepi32_epi16(to_bf16(_mm512_maskz_loadu_ps(high, row + 16)));
  return _mm512_castsi512_ps(_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1));
}

/// 16 columns, each of which is a row of w.
void transpose_pairs(std::uint16_t* to, std::int64_t padded, const float* w, std::int64_t stride_n,
                     std::int64_t count, std::int64_t K) {
  for (std::int64_t k = 0; k < K; k += kPadKBf16) {
    __m512 x[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      x[i] = i < count ? pairs_of(w + i * stride_n + k, K - k) : _mm512_setzero_ps();
    }
    transpose_16(x);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_storeu_ps(to + (k + 2 * i) * padded, x[i]);
  }
}

}  // namespace

void pack_bf16(std::uint16_t* packed, const float* w, std::int64_t stride_n, std::int64_t stride_k,
               std::int64_t K, std::int64_t n_begin, std::int64_t n_end) noexcept {
  for (std::int64_t n = n_begin; n < n_end; n += kPanelBf16) {
    const std::int64_t width = n_end - n < kPanelBf16 ? n_end - n : kPanelBf16;
    const std::int64_t padded = round_up_16(width);
    std::uint16_t* panel = packed + n * padded_k_bf16(K);
    for (std::int64_t c = 0; c < width; c += 16) {
      const float* from = w + (n + c) * stride_n;
      if (stride_k == 1) {
        transpose_pairs(panel + 2 * c, padded, from, stride_n, width - c, K);
      } else {
        pack_pairs(panel + 2 * c, padded, from, stride_n, stride_k, width - c, K);
      }
    }
  }
}

}  // namespace linnet::kernels::avx512
