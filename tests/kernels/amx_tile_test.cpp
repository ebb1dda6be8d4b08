#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/amx/tile.h"
#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels::amx {
namespace {

using test::GuardedBuffer;
using test::Rng;

/// Sums in tiles 0..3 of x in 4 and 5 with w in 6 and 7, of any shape.
struct Shapes {
  int rows[2], columns[2], quads;

  TileConfig config() const {
    TileConfig c;
    const auto set = [&c](int t, int r, int bytes) {
      c.rows[t] = static_cast<std::uint8_t>(r);
      c.colsb[t] = static_cast<std::uint16_t>(bytes);
    };
    for (int i = 0; i < 2; ++i) {
      for (int j = 0; j < 2; ++j) set(2 * i + j, rows[i], 4 * columns[j]);
      set(4 + i, rows[i], 4 * quads);
      set(6 + i, quads, 4 * columns[i]);
    }
    return c;
  }
};

/// A random program over a memory of bytes; what it stores is the result.
template <class Tiles>
std::vector<std::uint8_t> run(const TileConfig& config, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::uint8_t> memory(4096);
  for (std::uint8_t& b : memory) b = static_cast<std::uint8_t>(rng());
  const auto place = [&] { return memory.data() + rng() % 1024; };
  Tiles tiles(config);
  for (int i = 0; i < 200; ++i) {
    const auto stride = static_cast<std::int64_t>(64 + rng() % 100);
    switch (rng() % 12) {
      case 0:
        tiles.template load<4>(place(), stride);
        break;
      case 1:
        tiles.template stream_load<5>(place(), stride);
        break;
      case 2:
        tiles.template stream_load<6>(place(), stride);
        break;
      case 3:
        tiles.template load<7>(place(), stride);
        break;
      case 4:
        tiles.template load<1>(place(), stride);
        break;
      case 5:
        tiles.template zero<0>();
        break;
      case 6:
        tiles.template dot_s8s8<0, 4, 6>();
        break;
      case 7:
        tiles.template dot_s8s8<1, 4, 7>();
        break;
      case 8:
        tiles.template dot_s8s8<2, 5, 6>();
        break;
      case 9:
        tiles.template dot_s8s8<3, 5, 7>();
        break;
      case 10:
        tiles.template store<0>(place(), stride);
        break;
      default:
        tiles.template store<3>(place(), stride);
        memory[rng() % memory.size()] = static_cast<std::uint8_t>(rng());  // beside the tiles
    }
  }
  tiles.template store<1>(place(), 64);
  tiles.template store<2>(place(), 64);
  return memory;
}

Shapes random_shapes(Rng& rng) {
  const auto size = [&rng] { return static_cast<int>(1 + rng() % 16); };
  return {{size(), size()}, {size(), size()}, size()};
}

bool has_amx() {
  const auto found = supported_isas();
  return std::find(found.begin(), found.end(), Isa::kAmx) != found.end();
}

TEST(AmxTile, HardwareAndEmulationGiveTheSameBytes) {
  if (!has_amx()) GTEST_SKIP() << "this machine has no AMX";
  Rng rng(1);
  for (int i = 0; i < 500; ++i) {
    const TileConfig config = random_shapes(rng).config();
    const std::uint64_t seed = rng();
    ASSERT_EQ(run<HardwareTiles>(config, seed), run<EmulatedTiles>(config, seed))
        << "seed " << seed;
  }
}

TEST(AmxTile, EmulatedDotIsTheDefinition) {
  Rng rng(2);
  for (int i = 0; i < 200; ++i) {
    const Shapes s = random_shapes(rng);
    const auto M = static_cast<std::size_t>(s.rows[0]), N = static_cast<std::size_t>(s.columns[0]),
               Q = static_cast<std::size_t>(s.quads);
    GuardedBuffer<std::int8_t> a(M * 4 * Q), b(Q * 4 * N);
    GuardedBuffer<std::int32_t> c(M * N);
    for (std::int8_t& v : a.span()) v = static_cast<std::int8_t>(rng());
    for (std::int8_t& v : b.span()) v = static_cast<std::int8_t>(rng());
    for (std::int32_t& v : c.span()) v = static_cast<std::int32_t>(rng() % 1000);
    const std::vector<std::int32_t> before(c.span().begin(), c.span().end());
    const auto wide = static_cast<std::int64_t>(4 * N);
    EmulatedTiles tiles(s.config());
    tiles.load<0>(c.data(), wide);
    tiles.load<4>(a.data(), static_cast<std::int64_t>(4 * Q));
    tiles.load<6>(b.data(), wide);
    tiles.dot_s8s8<0, 4, 6>();
    tiles.store<0>(c.data(), wide);
    for (std::size_t m = 0; m < M; ++m) {
      for (std::size_t n = 0; n < N; ++n) {
        std::int32_t want = before[m * N + n];
        for (std::size_t k = 0; k < 4 * Q; ++k) {
          want += a[m * 4 * Q + k] * b[k / 4 * 4 * N + 4 * n + k % 4];
        }
        ASSERT_EQ(c[m * N + n], want) << "row " << m << " column " << n;
      }
    }
  }
}

/// c [M, N] + a [M, 2Q] · b [Q, N, 2] of BF16 numbers.
struct Bf16Operands {
  std::size_t M, N, Q;
  std::vector<std::uint16_t> a, b;
  std::vector<float> c;

  explicit Bf16Operands(const Shapes& s)
      : M(static_cast<std::size_t>(s.rows[0])),
        N(static_cast<std::size_t>(s.columns[0])),
        Q(static_cast<std::size_t>(s.quads)),
        a(M * 2 * Q),
        b(Q * 2 * N),
        c(M * N) {}

  static float wide(std::uint16_t x) { return std::bit_cast<float>(std::uint32_t{x} << 16); }
  float x(std::size_t m, std::size_t k) const { return wide(a[m * 2 * Q + k]); }
  float w(std::size_t k, std::size_t n) const { return wide(b[k / 2 * 2 * N + 2 * n + k % 2]); }

  template <class Tiles>
  std::vector<float> dot(const Shapes& s) const {
    GuardedBuffer<std::uint16_t> x_end(a.size()), w_end(b.size());
    GuardedBuffer<float> y(c.size());
    std::copy(a.begin(), a.end(), x_end.data());
    std::copy(b.begin(), b.end(), w_end.data());
    std::copy(c.begin(), c.end(), y.data());
    Tiles tiles(s.config());
    tiles.template load<0>(y.data(), static_cast<std::int64_t>(4 * N));
    tiles.template load<4>(x_end.data(), static_cast<std::int64_t>(4 * Q));
    tiles.template load<6>(w_end.data(), static_cast<std::int64_t>(4 * N));
    tiles.template dot_bf16<0, 4, 6>();
    tiles.template store<0>(y.data(), static_cast<std::int64_t>(4 * N));
    return {y.span().begin(), y.span().end()};
  }
};

/// 0 instead of what has no full mantissa: as the instruction reads and writes.
float without_denormals(float x) {
  return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
}

TEST(AmxTile, EmulatedDotOfBf16IsTheDefinition) {
  Rng rng(3);
  for (int i = 0; i < 200; ++i) {
    const Shapes s = random_shapes(rng);
    Bf16Operands o(s);
    // Numbers around 1, and some whose products or which themselves are below 2^-126.
    const auto number = [&rng] {
      const std::uint64_t r = rng();
      const std::uint64_t exponent = (r >> 32) % 8 == 0 ? (r >> 40) % 80 : 120 + (r >> 40) % 16;
      return static_cast<std::uint16_t>((r & 0x807F) | exponent << 7);
    };
    for (std::uint16_t& v : o.a) v = number();
    for (std::uint16_t& v : o.b) v = number();
    for (float& v : o.c) v = Bf16Operands::wide(number());
    const std::vector<float> found = o.dot<EmulatedTiles>(s);
    for (std::size_t m = 0; m < o.M; ++m) {
      for (std::size_t n = 0; n < o.N; ++n) {
        float even = 0, odd = 0;
        for (std::size_t k = 0; k < 2 * o.Q; ++k) {
          float& sum = k % 2 == 0 ? even : odd;
          sum = without_denormals(
              std::fma(without_denormals(o.x(m, k)), without_denormals(o.w(k, n)), sum));
        }
        const float before = without_denormals(o.c[m * o.N + n]);
        const float want = without_denormals(before + without_denormals(even + odd));
        ASSERT_EQ(test::bits(found[m * o.N + n]), test::bits(want))
            << "row " << m << " column " << n;
      }
    }
  }
}

// By bound, not by bits: machines may differ in the order of the sums.
TEST(AmxTile, HardwareDotOfBf16IsTheEmulated) {
  if (!has_amx()) GTEST_SKIP() << "this machine has no AMX";
  Rng rng(4);
  for (int i = 0; i < 200; ++i) {
    const Shapes s = random_shapes(rng);
    Bf16Operands o(s);
    const auto number = [&rng] { return std::bit_cast<std::uint32_t>(test::mixed(rng)) >> 16; };
    for (std::uint16_t& v : o.a) v = static_cast<std::uint16_t>(number());
    for (std::uint16_t& v : o.b) v = static_cast<std::uint16_t>(number());
    for (float& v : o.c) v = test::mixed(rng);
    const std::vector<float> want = o.dot<EmulatedTiles>(s), found = o.dot<HardwareTiles>(s);
    for (std::size_t at = 0; at < want.size(); ++at) {
      double magnitude = std::abs(double{o.c[at]});
      for (std::size_t k = 0; k < 2 * o.Q; ++k) {
        magnitude += std::abs(double{o.x(at / o.N, k)} * double{o.w(k, at % o.N)});
      }
      // A rounding for each term on both sides.
      const double bound = 2 * static_cast<double>(2 * o.Q + 2) * test::kEps * magnitude;
      ASSERT_NEAR(double{found[at]}, double{want[at]}, bound) << "element " << at;
    }
  }
}

TEST(AmxTile, ALoadFillsTheRestOfATileWithZeros) {
  std::array<std::uint8_t, 1024> ones, out = {};
  ones.fill(1);
  const TileConfig whole = {.colsb = {64}, .rows = {16}};
  TileConfig part = whole;
  part.rows[0] = 3;
  part.colsb[0] = 8;
  EmulatedTiles tiles(part);
  tiles.load<0>(ones.data(), 64);
  tiles.store<0>(out.data(), 64);
  for (std::size_t i = 0; i < out.size(); ++i) {
    ASSERT_EQ(out[i], i / 64 < 3 && i % 64 < 8 ? 1 : 0) << "byte " << i;
  }
}

}  // namespace
}  // namespace linnet::kernels::amx
