// New parameters in place of a checkpoint's: their distribution, and that they learn.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/models/load_trainable.h"
#include "engine/train/optimizer.h"
#include "tests/support/data.h"

namespace linnet {
namespace {

class Scratch : public testing::TestWithParam<const char*> {};

TEST_P(Scratch, ParametersAreNewAndTrain) {
  const auto folder = test::data_dir() / "goldens" / GetParam();
  LINNET_NEEDS(folder);
  const weights::Checkpoint checkpoint(folder);
  TrainableOptions options;
  options.start = Start::kScratch;
  options.seed = 5;
  const auto model = load_trainable(checkpoint, {}, options), read = load_trainable(checkpoint, {});
  EXPECT_TRUE(model->warnings.empty());
  ASSERT_EQ(model->tensors.size(), read->tensors.size());
  const double range = read_number(checkpoint.config(), "initializer_range", 0.02);
  for (const NamedParameter& p : model->tensors) {
    double sum = 0, squares = 0;
    const auto n = static_cast<double>(p.elements());
    for (std::int64_t i = 0; i < p.elements(); ++i) {
      const double v = model->floats()[p.offset + i];
      sum += v, squares += v * v;
    }
    if (!p.decay) {
      const bool norm = p.name.ends_with("weight");
      EXPECT_EQ(sum, norm ? n : 0) << p.name;
      continue;
    }
    const double share = p.name.find("c_proj") != std::string::npos ? 1 / std::sqrt(4.0) : 1;
    EXPECT_NEAR(sum / n, 0, 5 * range * share / std::sqrt(n)) << p.name;
    EXPECT_NEAR(std::sqrt(squares / n), range * share,
                5 * range * share / std::sqrt(2 * n) + 0.02 * range)
        << p.name;
  }
  // The same tokens again and again are learnt.
  const std::vector<std::int32_t> tokens{5, 6, 7, 8, 9, 10, 11, 12},
      positions{0, 1, 2, 3, 4, 5, 6, 7};
  const std::vector<std::int64_t> starts{0, 8}, labels(tokens.begin(), tokens.end());
  const Batch batch{tokens, positions, {}, starts};
  TrainingPass pass;
  pass.targets.labels = labels;
  pass.divisors = model->check_targets(batch, pass.targets);
  const auto training =
      model->training(kernels::make_table(kernels::supported_isas().back()), 1, {8, 1, 8});
  train::Optimizer optimizer(*model, {});
  const double before = training->loss(batch, pass);
  for (int step = 0; step < 60; ++step) {
    training->clear_gradients();
    training->accumulate(batch, pass);
    training->join_gradients();
    optimizer.step(training->context(), training->gradients(), 1e-2);
  }
  EXPECT_LT(training->loss(batch, pass), 0.1 * before);
}

INSTANTIATE_TEST_SUITE_P(Models, Scratch, testing::Values("gpt2_lm", "bert_mlm", "distilbert_mlm"),
                         [](const auto& p) { return std::string(p.param); });

}  // namespace
}  // namespace linnet
