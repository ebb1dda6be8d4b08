#pragma once

#include "kernels/ops.h"

// Random numbers of dropout: Philox4x32-10, many counters side by side. Source: Parallel Random
// Numbers: As Easy as 1, 2, 3, SC 2011.
namespace linnet::kernels {
namespace {

constexpr std::uint32_t kPhilox0 = 0xD2511F53, kPhilox1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

/// The factors, 0 or scale, of Lanes::kElements successive elements from `element`, a multiple of
/// that. A level's Lanes has vectors of counters, as many as a fourth of its elements:
///   Vector, counters(first) in the order that put() wants, all(word), round(w, k0, k1),
///   put(factor, w, args): the four words of each counter are those of its four elements
template <class Lanes>
inline void factors(float* factor, std::int64_t element, const DropoutF32Args& a) {
  typename Lanes::Vector w[4] = {Lanes::counters(static_cast<std::uint32_t>(element / 4)),
                                 Lanes::all(a.sample), Lanes::all(a.step), Lanes::all(a.stream)};
  auto k0 = static_cast<std::uint32_t>(a.seed), k1 = static_cast<std::uint32_t>(a.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    Lanes::round(w, k0, k1);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  Lanes::put(factor, w, a);
}

template <class Lanes>
inline void dropout(const DropoutF32Args& a) {
  constexpr std::int64_t kElements = Lanes::kElements;
  for (std::int64_t i = 0; i < a.n;) {
    const std::int64_t element = a.first + i, begin = element % kElements;
    alignas(64) float factor[kElements];
    factors<Lanes>(factor, element - begin, a);
    float* x = a.x + i;
    const std::int64_t left = a.n - i, room = kElements - begin, count = left < room ? left : room;
    if (count == kElements) {
      for (std::int64_t j = 0; j < kElements; ++j) x[j] *= factor[j];
    } else {
      for (std::int64_t j = 0; j < count; ++j) x[j] *= factor[begin + j];
    }
    i += count;
  }
}

}  // namespace
}  // namespace linnet::kernels
