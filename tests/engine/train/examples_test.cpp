// The order of examples, and how some of them become a batch.
#include "engine/train/examples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace linnet::train {
namespace {

// Example i has lengths[i] tokens i·100, i·100 + 1, ….
Examples with_lengths(const std::vector<std::int64_t>& lengths) {
  Examples e;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    for (std::int64_t t = 0; t < lengths[i]; ++t) {
      e.tokens.push_back(static_cast<std::int32_t>(i) * 100 + static_cast<std::int32_t>(t));
    }
    e.starts.push_back(static_cast<std::int64_t>(e.tokens.size()));
  }
  return e;
}

TEST(Examples, ABatchHasTheLabelsOfItsExamples) {
  Examples e = with_lengths({2, 1, 3});
  e.token_labels = {0, 1, 2, 3, 4, 5};
  e.span_starts = {7, 8, 9};
  e.span_ends = {17, 18, 19};
  e.values = {1, 2, 3, 4, 5, 6};  // two an example
  ExampleBatch batch;
  for (int times = 0; times < 2; ++times) {  // the second time after clear()
    batch.clear();
    batch.add(e, 2, 40);
    batch.add(e, 0, 41);
    const auto equal = [](auto found, auto expected) {
      return std::equal(found.begin(), found.end(), expected.begin(), expected.end());
    };
    EXPECT_TRUE(equal(batch.batch().tokens, std::vector<std::int32_t>{200, 201, 202, 0, 1}));
    EXPECT_TRUE(equal(batch.batch().positions, std::vector<std::int32_t>{0, 1, 2, 0, 1}));
    EXPECT_TRUE(equal(batch.batch().starts, std::vector<std::int64_t>{0, 3, 5}));
    EXPECT_TRUE(batch.batch().types.empty());
    EXPECT_TRUE(equal(batch.targets().labels, std::vector<std::int64_t>{3, 4, 5, 0, 1}));
    EXPECT_TRUE(equal(batch.targets().spans.starts, std::vector<std::int64_t>{9, 7}));
    EXPECT_TRUE(equal(batch.targets().spans.ends, std::vector<std::int64_t>{19, 17}));
    EXPECT_TRUE(equal(batch.targets().values, std::vector<float>{5, 6, 1, 2}));
    EXPECT_TRUE(equal(batch.samples(), std::vector<std::uint32_t>{40, 41}));
  }
}

TEST(Examples, EveryEpochHasAnOrderOfItsOwn) {
  const auto order = shuffled(100, 7, 0);
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int64_t> all(100);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
  EXPECT_NE(order, all);
  EXPECT_EQ(shuffled(100, 7, 0), order);
  EXPECT_NE(shuffled(100, 7, 1), order);
  EXPECT_NE(shuffled(100, 8, 0), order);
  EXPECT_EQ(shuffled(1, 7, 0), std::vector<std::int64_t>{0});
}

TEST(Examples, GroupsByLength) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < 64; ++i) lengths.push_back(i * 37 % 64 + 1);
  const Examples e = with_lengths(lengths);
  std::vector<std::int64_t> order = shuffled(64, 3, 0);
  const std::vector<std::int64_t> before = order;
  group_by_length(order, e, 4);  // parts of 64 / 16 steps of 4
  EXPECT_EQ(e.length(order[0]), 64);
  // Each part holds the examples it held before, but for the longest, and falls in length.
  const auto at_longest = std::find(before.begin(), before.end(), order[0]) - before.begin();
  const std::int64_t part_of_longest = at_longest / 16;
  for (std::int64_t part = 0; part < 4; ++part) {
    std::multiset<std::int64_t> was(before.begin() + part * 16, before.begin() + part * 16 + 16);
    std::multiset<std::int64_t> is(order.begin() + part * 16, order.begin() + part * 16 + 16);
    if (part_of_longest == 0) {
      EXPECT_EQ(is, was);
    }
    for (std::int64_t i = part * 16 + 2; i < part * 16 + 16; ++i) {
      EXPECT_GE(e.length(order[static_cast<std::size_t>(i - 1)]),
                e.length(order[static_cast<std::size_t>(i)]));
    }
  }
  std::vector<std::int64_t> few{1, 0};
  group_by_length(few, e, 100);
  EXPECT_GE(e.length(few[0]), e.length(few[1]));
}

}  // namespace
}  // namespace linnet::train
