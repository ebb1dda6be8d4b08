#pragma once

#include <cstdint>

// The eight tiles of AMX, and the same in plain C++. This is the only file with tile instructions;
// kernels are templates over the two classes, so that their logic runs on every machine. A tile has
// `rows` rows of `colsb` bytes; loads fill the rest with 0, stores write no more than that.
// Source: Intel 64 Software Developer's Manual, volume 1, chapter 18, and volume 2.
namespace linnet::kernels::amx {
namespace {

/// The 64 bytes that LDTILECFG reads.
struct TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t colsb[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

/// The instructions. Configures on construction and releases on destruction: other libraries of the
/// process configure for themselves.
class HardwareTiles {
 public:
  explicit HardwareTiles(const TileConfig& config) { asm volatile("ldtilecfg %0" ::"m"(config)); }
  ~HardwareTiles() { asm volatile("tilerelease" ::: "memory"); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int t>
  void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(t));
  }
  template <int t>
  void load(const void* p, std::int64_t stride) {
    asm volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(t), "r"(p), "r"(stride) : "memory");
  }
  /// For what is read once: it does not drive the other operand out of the first-level cache.
  template <int t>
  void stream_load(const void* p, std::int64_t stride) {
    asm volatile("tileloaddt1 (%1,%2,1), %%tmm%c0" ::"i"(t), "r"(p), "r"(stride) : "memory");
  }
  template <int t>
  void store(void* p, std::int64_t stride) {
    asm volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(t), "r"(p), "r"(stride) : "memory");
  }
  /// c[m][n] += sum over i, j < 4 of a[m][4i + j]·b[i][4n + j].
  template <int c, int a, int b>
  void dot_s8s8() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
  }
  /// c[m][n] += (sum over i of a[m][2i]·b[i][2n]) + (sum over i of a[m][2i + 1]·b[i][2n + 1]) of
  /// BF16 numbers in FP32, each sum one chain of fma from 0. What is below 2^-126 is 0, wherever.
  template <int c, int a, int b>
  void dot_bf16() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
  }
};

/// Numbers below 2^-126 are 0 of their sign.
inline float flushed(float x) {
  return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0.0f, x) : x;
}

/// The BF16 number at p.
inline float bf16_at(const std::uint8_t* p) {
  const std::uint32_t bits = std::uint32_t{p[0]} << 16 | std::uint32_t{p[1]} << 24;
  return flushed(__builtin_bit_cast(float, bits));
}

/// The same on memory.
class EmulatedTiles {
 public:
  explicit EmulatedTiles(const TileConfig& config) : config_(config) {}

  template <int t>
  void zero() {
    __builtin_memset(tile_[t], 0, sizeof tile_[t]);
  }
  template <int t>
  void load(const void* p, std::int64_t stride) {
    zero<t>();
    for (int r = 0; r < config_.rows[t]; ++r) {
      __builtin_memcpy(tile_[t][r], static_cast<const std::uint8_t*>(p) + r * stride,
                       config_.colsb[t]);
    }
  }
  template <int t>
  void stream_load(const void* p, std::int64_t stride) {
    load<t>(p, stride);
  }
  template <int t>
  void store(void* p, std::int64_t stride) {
    for (int r = 0; r < config_.rows[t]; ++r) {
      __builtin_memcpy(static_cast<std::uint8_t*>(p) + r * stride, tile_[t][r], config_.colsb[t]);
    }
  }
  template <int c, int a, int b>
  void dot_s8s8() {
    for (int m = 0; m < config_.rows[c]; ++m) {
      std::int32_t sums[16];
      __builtin_memcpy(sums, tile_[c][m], sizeof sums);
      for (int k = 0; k < config_.colsb[a]; ++k) {
        const auto x = static_cast<std::int8_t>(tile_[a][m][k]);
        for (int n = 0; n < config_.colsb[c] / 4; ++n) {
          sums[n] += x * static_cast<std::int8_t>(tile_[b][k / 4][4 * n + k % 4]);
        }
      }
      __builtin_memcpy(tile_[c][m], sums, sizeof sums);
    }
  }
  template <int c, int a, int b>
  void dot_bf16() {
    for (int m = 0; m < config_.rows[c]; ++m) {
      float sums[16], parts[2][16] = {};
      __builtin_memcpy(sums, tile_[c][m], sizeof sums);
      for (int k = 0; k < config_.colsb[a] / 2; ++k) {
        const float x = bf16_at(tile_[a][m] + 2 * k);
        const std::uint8_t* w = tile_[b][k / 2] + 2 * (k % 2);
        for (int n = 0; n < config_.colsb[c] / 4; ++n) {
          float& part = parts[k % 2][n];
          part = flushed(__builtin_fmaf(x, bf16_at(w + 4 * n), part));
        }
      }
      for (int n = 0; n < config_.colsb[c] / 4; ++n) {
        sums[n] = flushed(flushed(sums[n]) + flushed(parts[0][n] + parts[1][n]));
      }
      __builtin_memcpy(tile_[c][m], sums, sizeof sums);
    }
  }

 private:
  TileConfig config_;
  alignas(64) std::uint8_t tile_[8][16][64] = {};
};

}  // namespace
}  // namespace linnet::kernels::amx
