// Tensors from one file to another: pieces, rounding, what does not fit, and the check afterwards.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "tests/support/expect_error.h"
#include "tools/convert/tensors.h"

namespace linnet::tools {
namespace {

using test::error_of;
using weights::DType;

constexpr std::size_t kElements = 150'001;  // two pieces and an end

struct Floats {
  std::vector<float> values = std::vector<float>(kElements);
  std::vector<std::int64_t> shape{static_cast<std::int64_t>(kElements)};

  Floats() { std::iota(values.begin(), values.end(), -75'000.0f); }
  Transfer to(DType dtype) const {
    return {{"y", dtype, shape}, {"x", DType::kF32, shape, std::as_bytes(std::span(values))}};
  }
};

std::vector<std::byte> all_of(const Transfer& what, NonFinite non_finite, std::int64_t& rounded) {
  std::vector<std::byte> all;
  rounded = transfer(what, non_finite, [&](std::span<const std::byte> piece) {
    all.insert(all.end(), piece.begin(), piece.end());
  });
  return all;
}

TEST(Transfer, CopiesWhatKeepsItsType) {
  const Floats x;
  std::int64_t rounded = -1;
  const std::vector<std::byte> all = all_of(x.to(DType::kF32), NonFinite::kRefuse, rounded);
  const auto want = std::as_bytes(std::span(x.values));
  EXPECT_TRUE(std::equal(all.begin(), all.end(), want.begin(), want.end()));
  EXPECT_EQ(rounded, 0);
}

TEST(Transfer, CountsEveryRoundedElement) {
  const Floats x;
  std::int64_t rounded = -1;
  EXPECT_EQ(all_of(x.to(DType::kBF16), NonFinite::kRefuse, rounded).size(), 2 * kElements);
  // A whole number has 8 bits in BF16: it stays when the rest of its bits are zero.
  std::int64_t expected = 0;
  for (const float v : x.values) {
    const auto n = static_cast<std::uint32_t>(std::fabs(v));
    const int width = n == 0 ? 1 : 32 - __builtin_clz(n);
    const std::uint32_t rest = width > 8 ? (1U << (width - 8)) - 1 : 0;
    expected += (n & rest) != 0;
  }
  EXPECT_EQ(rounded, expected);
}

TEST(Transfer, SaysWhichElementDoesNotFit) {
  Floats x;
  std::int64_t rounded = 0;
  const auto message = [&](DType dtype) {
    return error_of(ErrorCode::kNumeric, [&] { all_of(x.to(dtype), NonFinite::kRefuse, rounded); });
  };
  EXPECT_NE(message(DType::kF16).find("element 0 is too large for F16"), std::string::npos);
  for (float& v : x.values) v = 1;
  x.values[140'000] = 65520;  // the first number that rounds to infinity in F16
  EXPECT_NE(message(DType::kF16).find("element 140000 is too large"), std::string::npos);
  x.values[140'000] = std::nextafter(65520.0f, 0.0f);
  EXPECT_EQ(all_of(x.to(DType::kF16), NonFinite::kRefuse, rounded).size(), 2 * kElements);
  EXPECT_EQ(rounded, 1);
  x.values[140'000] = std::numeric_limits<float>::infinity();
  EXPECT_NE(message(DType::kF32).find("element 140000 is not finite"), std::string::npos);
  all_of(x.to(DType::kF16), NonFinite::kAllow, rounded);
  EXPECT_EQ(rounded, 0);
  x.values[140'001] = 70000;  // infinity beside it is no excuse
  EXPECT_THROW(all_of(x.to(DType::kF16), NonFinite::kAllow, rounded), Error);
}

TEST(Compare, FindsOneWrongBit) {
  Floats x;
  for (float& v : x.values) v /= 4;
  const Transfer what = x.to(DType::kF16);
  std::int64_t rounded = 0;
  std::vector<std::byte> written = all_of(what, NonFinite::kRefuse, rounded);
  const auto view = [&] { return weights::TensorView{"y", DType::kF16, x.shape, written}; };
  EXPECT_NO_THROW(compare(what, view()));
  for (const std::size_t at : {std::size_t{0}, written.size() / 2, written.size() - 1}) {
    written[at] ^= std::byte{1};
    error_of(ErrorCode::kFormat, [&] { compare(what, view()); });
    written[at] ^= std::byte{1};
  }
  weights::TensorView other = view();
  other.dtype = DType::kBF16;
  error_of(ErrorCode::kFormat, [&] { compare(what, other); });
  const std::vector<std::int64_t> turned{1, x.shape[0]};
  other = view();
  other.shape = turned;
  error_of(ErrorCode::kFormat, [&] { compare(what, other); });
}

}  // namespace
}  // namespace linnet::tools
