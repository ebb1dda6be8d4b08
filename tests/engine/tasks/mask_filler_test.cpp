// Candidates against the fill-mask pipeline of transformers, and the rules around them.
#include "engine/tasks/mask_filler.h"

#include <gtest/gtest.h>

#include "tests/engine/tasks/pipeline_cases.h"
#include "tests/support/expect_error.h"

namespace linnet {
namespace {

using test::Json;

class MaskFillerTest : public testing::Test {
 protected:
  test::TempDir dir_;

  void SetUp() override {
    LINNET_NEEDS(test::goldens());
    test::make_small_model(dir_, "bert_mlm");
  }

  TaskModel load(kernels::Isa isa = choose_isa()) const {
    return test::load_head(dir_.path(), HeadKind::kMaskedLm, isa);
  }

  static Fills fill(MaskFiller& filler, std::string_view text, const FillOptions& options = {}) {
    return filler.fill({&text, 1}, options).at(0);
  }
};

FillOptions options_of(const Json& given) {
  FillOptions options;
  options.top_k = given.value("top_k", options.top_k);
  if (given.contains("targets")) {
    const Json& targets = given["targets"];
    if (targets.is_string()) {
      options.targets = {targets.get<std::string>()};
    } else {
      options.targets = targets.get<std::vector<std::string>>();
    }
  }
  return options;
}

TEST_F(MaskFillerTest, FillsAsThePipelineOfTransformers) {
  const TaskModel model = load();
  MaskFiller filler(model, {.threads = 2});
  const auto cases = test::pipeline_cases("fill.jsonl");
  ASSERT_EQ(cases.size(), 11U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c["input"].dump() + c["options"].dump());
    const Fills got = fill(filler, c["input"].get<std::string>(), options_of(c["options"]));
    EXPECT_EQ(got.error, "");
    const bool several = c["expected"][0].is_array();
    const Json masks = several ? c["expected"] : Json::array({c["expected"]});
    ASSERT_EQ(got.masks.size(), masks.size());
    for (std::size_t m = 0; m < masks.size(); ++m) {
      ASSERT_EQ(got.masks[m].size(), masks[m].size());
      for (std::size_t i = 0; i < masks[m].size(); ++i) {
        const Fill& f = got.masks[m][i];
        const Json& want = masks[m][i];
        EXPECT_EQ(f.token, want["token"]);
        EXPECT_EQ(f.token_str, want["token_str"]);
        EXPECT_EQ(f.sequence, want["sequence"]);
        EXPECT_NEAR(f.score, want["score"], 1e-4 * want["score"].get<double>());  // float32
      }
    }
  }
}

}  // namespace
}  // namespace linnet
