#pragma once

#include <array>
#include <cstdint>

namespace linnet {

/// Four random words, a pure function of counter and key: Philox4x32-10.
/// Source: Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                              std::uint64_t seed) {
  auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ k1,
               static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

/// What random numbers are for: the upper byte of the last counter word; below it the layer (16
/// bits) and the site in the layer (8 bits).
enum class RandomPurpose : std::uint32_t {
  kDropout = 1,
  kShuffle,
  kSampling,
  kInitialisation,
  kMasking
};

constexpr std::uint32_t random_stream(RandomPurpose purpose, std::int64_t layer,
                                      std::uint32_t site) {
  return static_cast<std::uint32_t>(purpose) << 24 | static_cast<std::uint32_t>(layer) << 8 | site;
}

/// The upper 24 bits as a number in [0, 1).
constexpr float uniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

}  // namespace linnet
