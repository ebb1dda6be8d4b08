#include "engine/core/layout.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace linnet {
namespace {

struct Set {
  Mat<float> a, b, c;
  Set(Layout& layout, std::int64_t n) : a(layout.mat(n, 3)) {
    const std::int64_t mark = layout.mark();
    b = layout.mat(n, 100);
    layout.rewind(mark);
    c = layout.mat(n, 5);
  }
};

TEST(Layout, CountsWhatItPlaces) {
  const Placed<Set> set(std::int64_t{7});
  // 7·3 floats are 84 bytes, on a 64-byte border 128; 7·100 floats are 2800 bytes, 2816.
  EXPECT_EQ(set.bytes(), 128 + 2816);
  EXPECT_EQ(Placed<Set>::count(std::int64_t{7}), set.bytes());
  EXPECT_EQ(set->b.data, set->c.data);
  EXPECT_EQ(set->b.data - set->a.data, 32);
  for (const auto& m : {set->a, set->b, set->c}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(m.data) % 64, 0u);
    EXPECT_EQ(m.ld, m.cols);
  }
}

TEST(Layout, RefusesSizesThatOverflow) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  Layout layout;
  EXPECT_THROW(layout.mat(kMax, 1), Error);
  EXPECT_THROW(layout.mat(1, kMax), Error);
  EXPECT_THROW(layout.mat(std::int64_t{1} << 31, std::int64_t{1} << 31), Error);
  EXPECT_THROW(layout.mat(-1, 1), Error);
  EXPECT_THROW(layout.mat(1, -1), Error);
  layout.mat(1, std::int64_t{1} << 59);
  EXPECT_THROW(layout.mat(1, std::int64_t{1} << 60), Error);
}

TEST(Block, SaysHowMuchMemoryItNeeds) {
  try {
    Block(std::int64_t{1} << 60);
    FAIL() << "an exabyte was allocated";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kLimit);
    EXPECT_NE(std::string(e.what()).find("MiB"), std::string::npos) << e.what();
  }
}

TEST(Block, LargeBlocksLieOnHugePages) {
  const Block block(std::int64_t{5} << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.data()) % (2u << 20), 0u);
  block.data()[0] = std::byte{1};
  block.data()[block.bytes() - 1] = std::byte{1};
}

}  // namespace
}  // namespace linnet
