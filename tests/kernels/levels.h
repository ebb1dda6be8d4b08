#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"

// What the tests of the kernels share: data on which any other order of operations gives other
// bits, the comparison of bits, and the levels to run on.
namespace linnet::kernels {

inline void PrintTo(Isa isa, std::ostream* out) { *out << name(isa); }

}  // namespace linnet::kernels

namespace linnet::test {

using kernels::Isa;
using Rng = std::mt19937_64;

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr double kEps = std::numeric_limits<float>::epsilon() / 2.0;  // of one rounding

/// The bits of a float; every NaN has the same, -0 and +0 differ.
inline std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x == x ? x : kNan); }

/// A random sign, a full mantissa and an exponent in 2^-8 .. 2^8: a sum of products of such numbers
/// depends on its order, and on which products are fused.
inline float mixed(Rng& rng) {
  const auto r = rng();
  const auto exponent = static_cast<std::uint32_t>(127 - 8 + (r >> 32) % 17);
  return std::bit_cast<float>(static_cast<std::uint32_t>(r & 0x807FFFFFu) | exponent << 23);
}

inline void fill_mixed(std::span<float> x, Rng& rng) {
  for (float& v : x) v = mixed(rng);
}

inline void fill_uniform(std::span<float> x, float low, float high, Rng& rng) {
  std::uniform_real_distribution<float> u(low, high);
  for (float& v : x) v = u(rng);
}

/// Success when every element has the same bits.
inline testing::AssertionResult same_bits(std::span<const float> got, std::span<const float> want) {
  if (got.size() != want.size()) return testing::AssertionFailure() << "sizes differ";
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (bits(got[i]) != bits(want[i])) {
      return testing::AssertionFailure()
             << "element " << i << " of " << got.size() << ": " << testing::PrintToString(got[i])
             << " (0x" << std::hex << bits(got[i]) << "), expected "
             << testing::PrintToString(want[i]) << " (0x" << bits(want[i]) << ")";
    }
  }
  return testing::AssertionSuccess();
}

/// The levels that run on this machine, emulated ones too; the reference comes first.
inline std::vector<Isa> levels() {
  const auto found = kernels::runnable_isas();
  return {found.begin(), found.end()};
}

inline std::string level_name(const testing::TestParamInfo<Isa>& info) {
  return kernels::name(info.param);
}

/// Row widths around every border of 8, 16, 32 and 64 lanes, and those of models.
inline const std::vector<std::int64_t>& awkward_sizes() {
  static const std::vector<std::int64_t> sizes = {
      1,  2,  3,  7,  8,  9,  15,  16,  17,  31,  32,  33,  47,  48,   49,
      63, 64, 65, 95, 96, 97, 127, 128, 129, 384, 767, 768, 769, 1025, 3072};
  return sizes;
}

}  // namespace linnet::test
