#pragma once

#include "kernels/ops.h"

namespace linnet::kernels {
namespace {

/// The words of 16 successive counters at once, as 16 lanes that the compiler runs side by side.
struct PhiloxBlocks {
  static constexpr int kBlocks = 16;
  std::uint32_t w[4][kBlocks];

  /// Blocks first .. first + 15: Philox4x32-10 with counters (first + i, c1, c2, c3).
  [[gnu::always_inline]] inline PhiloxBlocks(std::uint32_t first, const DropoutF32Args& a) {
    for (int i = 0; i < kBlocks; ++i) {
      w[0][i] = first + static_cast<std::uint32_t>(i);
      w[1][i] = a.sample;
      w[2][i] = a.step;
      w[3][i] = a.stream;
    }
    auto k0 = static_cast<std::uint32_t>(a.seed), k1 = static_cast<std::uint32_t>(a.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < kBlocks; ++i) {
        const std::uint64_t p = std::uint64_t{0xD2511F53} * w[0][i];
        const std::uint64_t q = std::uint64_t{0xCD9E8D57} * w[2][i];
        const std::uint32_t w1 = w[1][i], w3 = w[3][i];
        w[0][i] = static_cast<std::uint32_t>(q >> 32) ^ w1 ^ k0;
        w[1][i] = static_cast<std::uint32_t>(q);
        w[2][i] = static_cast<std::uint32_t>(p >> 32) ^ w3 ^ k1;
        w[3][i] = static_cast<std::uint32_t>(p);
      }
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
  }
};

inline void dropout(const DropoutF32Args& a) {
  constexpr std::int64_t kElements = 4 * PhiloxBlocks::kBlocks;
  for (std::int64_t i = 0; i < a.n;) {
    const std::int64_t element = a.first + i, begin = element % kElements;
    const PhiloxBlocks words(static_cast<std::uint32_t>((element - begin) / 4), a);
    float factor[kElements];
    for (int block = 0; block < PhiloxBlocks::kBlocks; ++block) {
      for (int j = 0; j < 4; ++j) {
        factor[4 * block + j] = words.w[j][block] >> 8 < a.threshold ? 0.0f : a.scale;
      }
    }
    const std::int64_t left = a.n - i, room = kElements - begin, count = left < room ? left : room;
    for (std::int64_t j = 0; j < count; ++j) a.x[i + j] *= factor[begin + j];
    i += count;
  }
}

}  // namespace
}  // namespace linnet::kernels
