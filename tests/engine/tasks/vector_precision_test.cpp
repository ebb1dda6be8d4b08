#include "engine/tasks/vector_precision.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/expect_error.h"

namespace linnet {
namespace {

constexpr std::size_t kRows = 4, kD = 8;

// Sixteenths, so that every difference is exact. Column 3 is constant.
constexpr float kX[kRows][kD] = {{2.25f, 0.625f, 0.9375f, 0.5f, 0.375f, 1.375f, 1.6875f, -1.375f},
                                 {-2.25f, -1.0f, -1.0625f, 0.5f, 2.0625f, -2.5f, 0.0f, 1.625f},
                                 {-1.875f, 1.5f, -1.9375f, 0.5f, 1.625f, -1.0f, -0.8125f, -1.125f},
                                 {1.125f, -1.25f, 2.5f, 0.5f, -0.125f, 0.0f, 0.4375f, 0.25f}};

// What numpy 2.4 makes of kX in float32: ((x - min) / ((max - min) / 255) - 128).astype(int8), and
// (packbits(x > 0) - 128).astype(int8), the expressions of quantize_embeddings. In column 3 the
// first divides by zero.
constexpr int kInt8[kRows][kD] = {{126, 45, 37, 0, -69, 127, 126, -128},
                                  {-128, -104, -77, 0, 126, -128, -45, 127},
                                  {-106, 127, -128, 0, 75, -29, -128, -106},
                                  {63, -128, 126, 0, -128, 36, 0, 10}};
constexpr int kBinary[kRows] = {126, -103, -40, 51};

ValueRanges ranges_of_x() {
  ValueRanges ranges;
  for (const auto& row : kX) ranges.include(row);
  return ranges;
}

TEST(VectorPrecision, Int8IsWhatNumpyMakes) {
  const ValueRanges ranges = ranges_of_x();
  for (std::size_t i = 0; i < kRows; ++i) {
    std::int8_t y[kD];
    quantize_int8(y, kX[i], ranges);
    for (std::size_t d = 0; d < kD; ++d) EXPECT_EQ(y[d], kInt8[i][d]) << i << ", " << d;
  }
}

TEST(VectorPrecision, Int8StaysInsideItsRange) {
  const float low[] = {-1, -1, -1, -1}, high[] = {1, 1, 1, 1};
  ValueRanges ranges;
  ranges.include(low);
  ranges.include(high);
  const float x[] = {-1.5f, 1.5f, -1e30f, std::numeric_limits<float>::max()};
  std::int8_t y[4];
  quantize_int8(y, x, ranges);
  EXPECT_EQ(y[0], -128);
  EXPECT_EQ(y[1], 127);
  EXPECT_EQ(y[2], -128);
  EXPECT_EQ(y[3], 127);
}

TEST(VectorPrecision, ARangeWiderThanAFloatIsNoRange) {
  const float most = std::numeric_limits<float>::max();
  const float low[] = {-most}, high[] = {most};
  ValueRanges ranges;
  ranges.include(low);
  ranges.include(high);
  std::int8_t y[1] = {5};
  quantize_int8(y, high, ranges);
  EXPECT_EQ(y[0], 0);
}

TEST(VectorPrecision, BinaryIsWhatNumpyMakes) {
  for (std::size_t i = 0; i < kRows; ++i) {
    std::int8_t y[1];
    quantize_binary(y, kX[i]);
    EXPECT_EQ(y[0], kBinary[i]) << i;
  }
}

TEST(VectorPrecision, ZeroIsNotPositive) {
  const float x[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 1, -1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  std::int8_t y[2];
  quantize_binary(y, x);
  EXPECT_EQ(y[0], 0b00101001 - 128);
  EXPECT_EQ(y[1], 127);
}

TEST(VectorPrecision, FiniteIsNeitherNanNorInfinite) {
  const float inf = std::numeric_limits<float>::infinity();
  const float good[] = {0, -1e38f}, nan[] = {0, std::numeric_limits<float>::quiet_NaN()};
  const float high[] = {inf, 0}, low[] = {0, -inf};
  EXPECT_TRUE(all_finite(good));
  EXPECT_FALSE(all_finite(nan));
  EXPECT_FALSE(all_finite(high));
  EXPECT_FALSE(all_finite(low));
}

TEST(VectorPrecision, SizesAndNames) {
  EXPECT_EQ(stored_values(VectorPrecision::kFloat32, 10), 10);
  EXPECT_EQ(stored_values(VectorPrecision::kInt8, 10), 10);
  EXPECT_EQ(stored_values(VectorPrecision::kBinary, 16), 2);
  EXPECT_EQ(test::error_of(ErrorCode::kInvalidArgument,
                           [] { stored_values(VectorPrecision::kBinary, 10); }),
            "binary vectors: found 10 dimensions, expected a multiple of 8");
  for (const char* text : {"float32", "int8", "binary"}) {
    EXPECT_EQ(name(parse_vector_precision(text)), text);
  }
  EXPECT_EQ(test::error_of(ErrorCode::kInvalidArgument, [] { parse_vector_precision("int4"); }),
            "precision of vectors: found \"int4\", expected float32, int8 or binary");
}

}  // namespace
}  // namespace linnet
