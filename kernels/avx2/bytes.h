#pragma once

#include <immintrin.h>

#include <cstdint>

namespace linnet::kernels::avx2 {
namespace {

inline __m256i load_bytes(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline void store_bytes(void* p, __m256i bytes) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), bytes);
}

/// 4 bytes as many times as a vector holds.
inline __m256i four_bytes(const std::uint8_t* p) {
  std::int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/// Keeps a sum in its register: the compiler would store it in every step.
[[gnu::always_inline]] inline void pin(__m256i& sum) { asm("" : "+x"(sum)); }

}  // namespace
}  // namespace linnet::kernels::avx2
