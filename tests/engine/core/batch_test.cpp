#include "engine/core/batch.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "weights/base/error.h"

namespace linnet {
namespace {

struct Packed {
  std::vector<std::int32_t> tokens{1, 2, 3}, positions{0, 1, 0}, types{0, 1, 0};
  std::vector<std::int64_t> starts{0, 2, 3};
  Batch batch() const { return {tokens, positions, types, starts}; }
};
constexpr BatchLimits kLimits{.vocab_size = 4, .positions = 2, .types = 2};

TEST(Batch, AcceptsWhatFits) {
  Packed p;
  EXPECT_NO_THROW(check(p.batch(), kLimits));
  p.types.clear();
  EXPECT_NO_THROW(check(p.batch(), {.vocab_size = 4, .positions = 2, .types = 0}));
  EXPECT_EQ(p.batch().B(), 2);
  EXPECT_EQ(p.batch().T(), 3);
  EXPECT_EQ(p.batch().length(0), 2);
  EXPECT_EQ(p.batch().longest(), 2);
}

TEST(Batch, RefusesEachBrokenRule) {
  const std::vector<std::pair<std::string, std::function<void(Packed&)>>> cases{
      {"token id 4 at token 1, expected 0 to 3", [](Packed& p) { p.tokens[1] = 4; }},
      {"token id -1 at token 2", [](Packed& p) { p.tokens[2] = -1; }},
      {"position 2 at token 0, expected 0 to 1", [](Packed& p) { p.positions[0] = 2; }},
      {"token type 2 at token 0", [](Packed& p) { p.types[0] = 2; }},
      {"sequence 1 has no token",
       [](Packed& p) {
         p.starts = {0, 2, 2, 3};
       }},
      {"sequence 1 has no token",
       [](Packed& p) {
         p.starts = {0, 3, 2, 3};
       }},
      {"starts must run from 0",
       [](Packed& p) {
         p.starts = {1, 3};
       }},
      {"starts must run from 0",
       [](Packed& p) {
         p.starts = {0, 2};
       }},
      {"starts must run from 0", [](Packed& p) { p.starts.clear(); }},
      {"one entry a token", [](Packed& p) { p.positions.pop_back(); }},
      {"one entry a token", [](Packed& p) { p.types.pop_back(); }},
  };
  for (const auto& [expected, damage] : cases) {
    Packed p;
    damage(p);
    try {
      check(p.batch(), kLimits);
      ADD_FAILURE() << "accepted: " << expected;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(e.what()).find(expected), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace linnet
