#include "weights/number_formats.h"

#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace linnet::weights {
namespace {

float one_to_f32(std::uint64_t bits, DType dtype) {
  float out = 0;
  to_f32(&out, reinterpret_cast<const std::byte*>(&bits), dtype, 1);
  return out;
}
std::uint16_t one_from_f32(float x, DType dtype) {
  std::uint16_t out = 0;
  from_f32(reinterpret_cast<std::byte*>(&out), dtype, &x, 1);
  return out;
}
std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }

// A format of 16 bits by its definition: sign, exponent, fraction.
struct Format {
  DType dtype;
  int fraction, bias;

  int most() const { return (1 << (15 - fraction)) - 1; }  // exponent of infinities and NaN
  double value(int code) const {
    const int exponent = code >> fraction & most(), f = code & ((1 << fraction) - 1);
    double v = exponent == 0 ? std::ldexp(f, 1 - bias - fraction)
                             : std::ldexp((1 << fraction) + f, exponent - bias - fraction);
    if (exponent == most()) v = f == 0 ? HUGE_VAL : std::nan("");
    return code & 0x8000 ? -v : v;
  }
  // The nearest value, ties to even, by rounding a double that is exact.
  double nearest(double x) const {
    const double largest = std::ldexp(2 - std::ldexp(1, -fraction), bias);
    const int exponent = x == 0 ? 1 - bias : std::max(std::ilogb(x), 1 - bias);
    const double v =
        std::ldexp(std::nearbyint(std::ldexp(x, fraction - exponent)), exponent - fraction);
    return std::abs(v) > largest ? std::copysign(HUGE_VAL, x) : v;
  }
};
constexpr Format kHalf{DType::kF16, 10, 15}, kBfloat{DType::kBF16, 7, 127};

class SixteenBits : public testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, SixteenBits, testing::Values(kHalf, kBfloat),
                         [](const auto& p) { return name(p.param.dtype); });

TEST_P(SixteenBits, EveryCodeHasItsValueAndComesBack) {
  const Format format = GetParam();
  for (int code = 0; code < 0x10000; ++code) {
    const auto c = static_cast<std::uint16_t>(code);
    const float x = one_to_f32(c, format.dtype);
    const double expected = format.value(code);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(x)) << code;
      ASSERT_TRUE(std::isnan(one_to_f32(one_from_f32(x, format.dtype), format.dtype))) << code;
      continue;
    }
    ASSERT_EQ(bits_of(x), bits_of(static_cast<float>(expected))) << code;
    ASSERT_EQ(one_from_f32(x, format.dtype), c);
  }
}

// Around every value: itself, the tie with the next, and both sides of the tie.
TEST_P(SixteenBits, RoundsToNearestEven) {
  const Format format = GetParam();
  const auto check = [&](float x) {
    const float y = one_to_f32(one_from_f32(x, format.dtype), format.dtype);
    ASSERT_EQ(bits_of(y), bits_of(static_cast<float>(format.nearest(static_cast<double>(x))))) << x;
  };
  const int end = format.most() << format.fraction;
  for (int code = 0; code < end; ++code) {
    const double next = code + 1 < end ? format.value(code + 1)
                                       : std::ldexp(1, format.bias + 1);  // where infinity begins
    const auto tie = static_cast<float>((format.value(code) + next) / 2);
    for (const float x : {static_cast<float>(format.value(code)), std::nextafter(tie, 0.0f), tie,
                          std::nextafter(tie, HUGE_VALF)}) {
      check(x);
      check(-x);
    }
  }
  std::mt19937 random(3);
  for (int i = 0; i < 300'000; ++i) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isnan(x) && !std::isinf(x)) check(x);
  }
  for (const float x :
       {HUGE_VALF, std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min(),
        std::numeric_limits<float>::min()}) {
    if (!std::isinf(x)) check(x);
    ASSERT_EQ(std::signbit(one_to_f32(one_from_f32(-x, format.dtype), format.dtype)), true);
  }
}

TEST_P(SixteenBits, KeepsNanAndInfinity) {
  const DType dtype = GetParam().dtype;
  EXPECT_EQ(one_to_f32(one_from_f32(HUGE_VALF, dtype), dtype), HUGE_VALF);
  EXPECT_EQ(one_to_f32(one_from_f32(-HUGE_VALF, dtype), dtype), -HUGE_VALF);
  // Those whose payload lies in the bits that are cut off must not become infinities.
  for (const std::uint32_t nan :
       {0x7F800001u, 0x7F80FFFFu, 0x7FC00000u, 0x7FFFFFFFu, 0xFF800001u}) {
    const float x = one_to_f32(one_from_f32(std::bit_cast<float>(nan), dtype), dtype);
    EXPECT_TRUE(std::isnan(x));
    EXPECT_EQ(std::signbit(x), nan >> 31 == 1);
  }
}

TEST(NumberFormats, RoundsDoublesToNearestEven) {
  std::mt19937_64 random(4);
  const auto check = [](double x) {
    const float y = one_to_f32(std::bit_cast<std::uint64_t>(x), DType::kF64);
    ASSERT_EQ(bits_of(y), bits_of(static_cast<float>(x))) << x;
  };
  for (int i = 0; i < 300'000; ++i) {
    const std::uint64_t r = random();
    const double mantissa = 1 + std::ldexp(static_cast<double>(r >> 11), -53);
    check(std::ldexp(mantissa, static_cast<int>(r % 300) - 160));  // from zero to infinity
    // Ties of denormals and their neighbours.
    const double tie = std::ldexp(static_cast<double>(2 * (r % 0x800000) + 1), -150);
    for (const double x : {tie, std::nextafter(tie, 0.0), std::nextafter(tie, 1.0)}) {
      check(x);
      check(-x);
    }
  }
  for (const double x : {0.0, -0.0, HUGE_VAL, 5e-324, -5e-324, 1e300, 0x1p-126, 0x1.ffffffp-127,
                         0x1.fffffffffffffp-127, 0x1p-149, 0x1p-150, 0x1.0000000000001p-150}) {
    check(x);
  }
  EXPECT_TRUE(std::isnan(one_to_f32(std::bit_cast<std::uint64_t>(std::nan("")), DType::kF64)));
}

// With the control word that hosts linked for fast arithmetic give all their threads.
TEST(NumberFormats, DoNotDependOnFlushToZero) {
  std::vector<std::uint16_t> codes(0x10000);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
  std::vector<float> tiny(20'000);
  std::vector<double> doubles(20'000);
  for (std::size_t i = 0; i < tiny.size(); ++i) {
    tiny[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i * 65'537 % 0x39000000));
    doubles[i] = std::ldexp(static_cast<double>(i) + 0.5, -155);
  }
  const auto convert_all = [&] {
    std::vector<std::byte> all;
    const auto append = [&](const auto& v) {
      const auto bytes = std::as_bytes(std::span(v));
      all.insert(all.end(), bytes.begin(), bytes.end());
    };
    std::vector<float> floats(codes.size());
    std::vector<std::uint16_t> sixteen(tiny.size());
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      to_f32(floats.data(), std::as_bytes(std::span(codes)).data(), dtype, 0x10000);
      append(floats);
      from_f32(std::as_writable_bytes(std::span(sixteen)).data(), dtype, tiny.data(), 20'000);
      append(sixteen);
    }
    to_f32(floats.data(), std::as_bytes(std::span(doubles)).data(), DType::kF64, 20'000);
    append(floats);
    return all;
  };
  const std::vector<std::byte> expected = convert_all();
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);  // flush to zero, denormals are zero
  const std::vector<std::byte> flushed = convert_all();
  _mm_setcsr(before);
  EXPECT_TRUE(expected == flushed);
}

TEST(NumberFormats, ReadAndWriteAtAnyAddress) {
  const std::vector<float> x{1.5f, -2.0f, 0.25f, 3.0f};
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32}) {
    for (std::size_t shift = 0; shift < 8; ++shift) {
      std::vector<std::byte> bytes(64, std::byte{0xAA});
      from_f32(bytes.data() + shift, dtype, x.data(), 4);
      EXPECT_EQ(bytes[shift + 4 * static_cast<std::size_t>(bits(dtype)) / 8], std::byte{0xAA});
      std::vector<float> y(4);
      to_f32(y.data(), bytes.data() + shift, dtype, 4);
      EXPECT_EQ(y, x);
    }
  }
}

TEST(NumberFormats, FindsTheFirstThatIsNotFinite) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    const std::size_t size = static_cast<std::size_t>(bits(dtype)) / 8;
    const auto element = [&](double value) {
      std::vector<std::byte> bytes(size);
      const auto x = static_cast<float>(value);
      if (dtype == DType::kF64) {
        std::memcpy(bytes.data(), &value, size);
      } else {
        from_f32(bytes.data(), dtype, &x, 1);
      }
      return bytes;
    };
    for (const std::size_t n : {1u, 2u, 2047u, 2048u, 2049u, 5000u}) {
      std::vector<std::byte> all(n * size + 1);
      std::byte* data = all.data() + 1;  // unaligned
      const auto put = [&](std::size_t at, double v) {
        std::memcpy(data + at * size, element(v).data(), size);
      };
      for (std::size_t i = 0; i < n; ++i) put(i, i % 2 == 0 ? 60000 : -1e-7);
      const auto found = [&] {
        return first_not_finite(data, dtype, static_cast<std::int64_t>(n));
      };
      EXPECT_EQ(found(), -1);
      for (const double bad : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
        put(n - 1, bad);
        EXPECT_EQ(found(), static_cast<std::int64_t>(n - 1));
        put(n / 2, bad);
        EXPECT_EQ(found(), static_cast<std::int64_t>(n / 2));
        put(n / 2, 1);
        put(n - 1, 1);
      }
    }
    EXPECT_EQ(first_not_finite(nullptr, dtype, 0), -1);
  }
}

TEST(DTypes, HaveTheNamesAndSizesOfTheFormat) {
  const std::vector<std::pair<const char*, int>> all{
      {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
      {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
      {"I64", 64},        {"U64", 64}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto dtype = parse_dtype(all[i].first);
    ASSERT_TRUE(dtype.has_value()) << all[i].first;
    EXPECT_EQ(static_cast<std::size_t>(*dtype), i);
    EXPECT_STREQ(name(*dtype), all[i].first);
    EXPECT_EQ(bits(*dtype), all[i].second);
    const std::string text = name(*dtype);
    EXPECT_EQ(is_float(*dtype), text == "F16" || text == "BF16" || text == "F32" || text == "F64");
  }
  for (const char* text : {"", "f32", "F32 ", "F3", "F128", "FLOAT"}) {
    EXPECT_FALSE(parse_dtype(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace linnet::weights
