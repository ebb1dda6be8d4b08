// Truncation in closed form, windows, padding and units of offsets.
#include "tokenizer/truncation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/tokenizer/small.h"
#include "tokenizer/encoding.h"

namespace linnet::tokenizer {
namespace {

// The reason of the error that `f` throws, or an empty string.
template <class F>
std::string reason_of(F f) {
  try {
    f();
  } catch (const TokenizerError& e) {
    return name(e.reason());
  }
  return {};
}

TEST(Truncation, LongestFirstKeepsWhatTheReferenceKeeps) {
  const auto kept = [](std::int64_t n1, std::int64_t n2, std::int64_t room) {
    const KeptLengths k = truncate(Truncation::kLongestFirst, Texts::kPair, n1, n2, room);
    return std::vector{k.first, k.second};
  };
  using V = std::vector<std::int64_t>;
  EXPECT_EQ(kept(3, 7, 2), (V{1, 1}));
  EXPECT_EQ(kept(3, 7, 3), (V{1, 2}));
  EXPECT_EQ(kept(3, 7, 4), (V{2, 2}));
  EXPECT_EQ(kept(7, 3, 3), (V{2, 1}));
  EXPECT_EQ(kept(5, 5, 5), (V{2, 3}));
  EXPECT_EQ(kept(2, 9, 8), (V{2, 6}));
  EXPECT_EQ(kept(9, 2, 8), (V{6, 2}));
  EXPECT_EQ(kept(4, 9, 7), (V{3, 4}));
  EXPECT_EQ(kept(3, 7, 10), (V{3, 7}));
  EXPECT_EQ(kept(3, 7, 0), (V{0, 0}));
}

TEST(Truncation, NeverKeepsMoreThanThereIsRoomFor) {
  for (std::int64_t n1 = 0; n1 < 12; ++n1) {
    for (std::int64_t n2 = 0; n2 < 12; ++n2) {
      for (std::int64_t room = 0; room < 26; ++room) {
        const KeptLengths k = truncate(Truncation::kLongestFirst, Texts::kPair, n1, n2, room);
        EXPECT_LE(k.first, n1);
        EXPECT_LE(k.second, n2);
        EXPECT_LE(k.first + k.second, room);
        EXPECT_EQ(k.first + k.second, std::min(n1 + n2, room));
      }
    }
  }
}

TEST(Truncation, OneSideGivesUpAllOrFails) {
  EXPECT_EQ(truncate(Truncation::kOnlyFirst, Texts::kPair, 7, 3, 4).first, 1);
  EXPECT_EQ(truncate(Truncation::kOnlySecond, Texts::kPair, 3, 7, 4).second, 1);
  EXPECT_EQ(reason_of([] { truncate(Truncation::kOnlyFirst, Texts::kPair, 3, 7, 7); }),
            "sequence_too_short");
  EXPECT_EQ(reason_of([] { truncate(Truncation::kOnlyFirst, Texts::kPair, 3, 7, 6); }),
            "sequence_too_short");
  EXPECT_EQ(reason_of([] { truncate(Truncation::kOnlySecond, Texts::kOne, 8, 0, 7); }),
            "second_sequence_not_provided");
  EXPECT_EQ(truncate(Truncation::kOnlySecond, Texts::kOne, 8, 0, 8).first, 8);
  EXPECT_EQ(truncate(Truncation::kOnlyFirst, Texts::kOne, 8, 0, 5).first, 5);
}

TEST(Windows, CoverEveryTokenAndShareTheStride) {
  for (std::int64_t n = 0; n < 25; ++n) {
    for (std::int64_t size = 1; size < 12; ++size) {
      for (std::int64_t stride = 0; stride < size; ++stride) {
        for (const Side side : {Side::kRight, Side::kLeft}) {
          auto all = windows(n, size, stride, side);
          EXPECT_EQ(first_window(n, size, stride, side).begin, all[0].begin);
          EXPECT_EQ(first_window(n, size, stride, side).end, all[0].end);
          if (side == Side::kLeft) std::reverse(all.begin(), all.end());
          EXPECT_EQ(all.front().begin, 0);
          EXPECT_EQ(all.back().end, n);
          for (std::size_t i = 0; i < all.size(); ++i) {
            EXPECT_LE(all[i].end - all[i].begin, size);
            if (i > 0) {
              EXPECT_EQ(all[i - 1].end - all[i].begin, stride);
            }
            // Only the last one in reading order (of the left side: the first) may be short.
            const bool may_be_short = side == Side::kRight ? i + 1 == all.size() : i == 0;
            if (!may_be_short) {
              EXPECT_EQ(all[i].end - all[i].begin, size);
            }
          }
        }
      }
    }
  }
}

TEST(Windows, StrideMustBeLessThanTheWindow) {
  EXPECT_EQ(reason_of([] { windows(9, 4, 4, Side::kRight); }), "stride_too_large");
  EXPECT_EQ(reason_of([] { windows(9, 4, -1, Side::kRight); }), "stride_too_large");
  EXPECT_EQ(windows(4, 4, 9, Side::kRight).size(), 1u);  // nothing is cut, so nothing is shared
  const auto none = windows(9, 0, 0, Side::kRight);
  ASSERT_EQ(none.size(), 2u);  // no room: everything is overflow
  EXPECT_EQ(none[0].end, 0);
  EXPECT_EQ(none[1].end, 9);
}

TEST(Windows, PairsInTheOrderOfTheReference) {
  const Tokenizer t = test::SmallJson().load();
  EncodeOptions options;
  options.truncation = Truncation::kLongestFirst;
  options.max_length = 7;  // two tokens of each text
  options.return_overflow = true;
  const Encoding e = t.encode_pair("a b a", "i ab i", options);
  const auto ids = [](const Encoding& x) {
    return std::vector<std::int32_t>(x.ids.begin() + 1, x.ids.end());
  };
  EXPECT_EQ(ids(e), (std::vector<std::int32_t>{5, 6, 3, 23, 8, 3}));
  ASSERT_EQ(e.overflow.size(), 3u);
  EXPECT_EQ(ids(e.overflow[0]), (std::vector<std::int32_t>{5, 3, 23, 8, 3}));  // A1 B0
  EXPECT_EQ(ids(e.overflow[1]), (std::vector<std::int32_t>{5, 3, 23, 3}));     // A1 B1
  EXPECT_EQ(ids(e.overflow[2]), (std::vector<std::int32_t>{5, 6, 3, 23, 3}));  // A0 B1
  EXPECT_EQ(e.overflow[0].word_ids, (std::vector<std::int32_t>{-1, 2, -1, 0, 1, -1}));
}

TEST(Truncation, OptionsAreChecked) {
  const Tokenizer t = test::SmallJson().load();
  EncodeOptions options;
  options.truncation = Truncation::kLongestFirst;
  EXPECT_EQ(reason_of([&] { t.encode("a", options); }), "max_length_missing");
  options.max_length = 1;
  EXPECT_EQ(reason_of([&] { t.encode("a", options); }), "max_length_below_added_tokens");
  options.max_length = -1;
  options.add_special_tokens = false;
  EXPECT_EQ(reason_of([&] { t.encode("a", options); }), "max_length_below_added_tokens");
  options.max_length = 0;
  EXPECT_EQ(t.encode("a", options).size(), 0);
  options.max_length = 2;
  options.stride = 2;
  Scratch scratch;
  std::vector<std::int32_t> ids;
  EXPECT_EQ(reason_of([&] { t.encode("a b a", options); }), "stride_too_large");
  EXPECT_EQ(reason_of([&] { t.encode_ids("a b a", options, scratch, ids); }), "stride_too_large");
  options.truncation = Truncation::kNone;
  EXPECT_EQ(t.encode("a b a", options).size(), 3);  // max_length belongs to a truncation
}

TEST(Padding, SidesMultiplesAndWindows) {
  const Tokenizer t = test::SmallJson().load();
  EncodeOptions options;
  options.tokens = true;
  options.truncation = Truncation::kLongestFirst;
  options.max_length = 5;
  options.return_overflow = true;
  std::vector<Encoding> batch{t.encode("a b a b", options), t.encode("a", options)};
  Padding padding;
  padding.multiple_of = 4;
  padding.pad_type_id = 7;
  padding.side = Side::kLeft;
  pad(batch, padding);
  EXPECT_EQ(batch[0].size(), 8);
  EXPECT_EQ(batch[0].overflow[0].size(), 8);
  EXPECT_EQ(batch[1].ids, (std::vector<std::int32_t>{0, 0, 0, 0, 0, 2, 5, 3}));
  EXPECT_EQ(batch[1].type_ids, (std::vector<std::int32_t>{7, 7, 7, 7, 7, 0, 0, 0}));
  EXPECT_EQ(batch[1].attention_mask, (std::vector<std::uint8_t>{0, 0, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(batch[1].special_tokens_mask, (std::vector<std::uint8_t>{1, 1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(batch[1].offsets[0], Span{});
  EXPECT_EQ(batch[1].word_ids[0], -1);
  EXPECT_EQ(batch[1].sequence_ids[0], -1);
  EXPECT_EQ(batch[1].tokens[0], "[PAD]");

  Padding fixed;
  fixed.to = Padding::To::kFixed;
  fixed.length = 6;
  std::vector<Encoding> other{t.encode("a"), t.encode("a b a b a b")};
  pad(other, fixed);
  EXPECT_EQ(other[0].size(), 6);
  EXPECT_EQ(other[0].ids[5], 0);
  EXPECT_EQ(other[1].size(), 8);  // longer ones stay

  EXPECT_EQ(reason_of([&] { check_padding(padding, options); }), "max_length_not_multiple");
  options.max_length = 8;
  EXPECT_EQ(reason_of([&] { check_padding(padding, options); }), "");
  fixed.length = -1;
  EXPECT_EQ(reason_of([&] { pad(other, fixed); }), "invalid_padding");
}

TEST(Offsets, ConvertFromBytes) {
  const std::string text = "aé😀b";
  const std::vector<Span> bytes{{0, 0}, {0, 1}, {1, 3}, {3, 7}, {3, 7}, {7, 8}, {1, 8}};
  EXPECT_EQ(convert_offsets(text, bytes, OffsetUnit::kBytes), bytes);
  EXPECT_EQ(convert_offsets(text, bytes, OffsetUnit::kChars),
            (std::vector<Span>{{0, 0}, {0, 1}, {1, 2}, {2, 3}, {2, 3}, {3, 4}, {1, 4}}));
  EXPECT_EQ(convert_offsets(text, bytes, OffsetUnit::kUtf16),
            (std::vector<Span>{{0, 0}, {0, 1}, {1, 2}, {2, 4}, {2, 4}, {4, 5}, {1, 5}}));
}

}  // namespace
}  // namespace linnet::tokenizer
