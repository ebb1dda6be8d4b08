// Gradients of the training goldens, parameter by parameter, at every level with one and two
// threads; parts of a batch give the bytes of the whole.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/engine/models/training_case.h"

namespace linnet {
namespace {

using test::TrainingCase;

class GradientGolden : public testing::TestWithParam<const char*> {};

TEST_P(GradientGolden, EveryParameter) {
  LINNET_NEEDS(TrainingCase::folder(GetParam()));
  const TrainingCase golden(GetParam());
  const test::GoldenFile want(golden.folder() / "grads.safetensors");
  const auto rows = golden.batch_order(0);
  const test::TrainingBatch batch = golden.batch(rows);
  std::vector<float> reference;
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const auto table = kernels::make_table(isa);
    for (const int threads : {1, 2}) {
      const auto training = golden.model->training(table, threads, golden.size(rows.size()));
      const TrainingPass pass = golden.pass(batch);
      const double loss = training->accumulate(batch.packed(), pass);
      training->join_gradients();
      golden.expect_gradients(training->gradients(), want);
      const double want_loss = want.values<float>("loss")[0];
      EXPECT_NEAR(loss, want_loss, 1e-5 * std::max(1.0, std::abs(want_loss)));
      EXPECT_EQ(training->loss(batch.packed(), pass), loss);
      const std::vector<float> all = golden.all(training->gradients());
      if (reference.empty()) reference = all;
      EXPECT_EQ(std::memcmp(all.data(), reference.data(), all.size() * sizeof(float)), 0)
          << kernels::name(isa) << ", " << threads << " threads";
    }
  }
}

// Chains continue over the parts: the bytes are those of the whole batch.
TEST_P(GradientGolden, PartsAreTheWhole) {
  LINNET_NEEDS(TrainingCase::folder(GetParam()));
  const TrainingCase golden(GetParam());
  const auto rows = golden.batch_order(0);
  const auto table = kernels::make_table(kernels::supported_isas().back());
  const auto whole = golden.model->training(table, 1, golden.size(8)),
             parts = golden.model->training(table, 2, golden.size(3));
  const test::TrainingBatch batch = golden.batch(rows);
  const TrainingPass pass = golden.pass(batch);
  const double loss = whole->accumulate(batch.packed(), pass);
  double sum = 0;
  for (const auto& [begin, end] :
       {std::pair{0, 3}, std::pair{3, 4}, std::pair{4, 7}, std::pair{7, 8}}) {
    const test::TrainingBatch part = golden.batch({rows.begin() + begin, rows.begin() + end});
    TrainingPass mine = golden.pass(part);
    mine.divisors = pass.divisors;
    sum += parts->accumulate(part.packed(), mine);
  }
  whole->join_gradients();
  parts->join_gradients();
  EXPECT_NEAR(loss, sum, 1e-13 * loss);
  EXPECT_EQ(golden.all(whole->gradients()), golden.all(parts->gradients()));
}

// Activations that are computed again are those that were not kept: less memory, the same bytes.
TEST_P(GradientGolden, RecomputedActivationsAreTheSame) {
  LINNET_NEEDS(TrainingCase::folder(GetParam()));
  const TrainingCase golden(GetParam());
  const auto table = kernels::make_table(kernels::supported_isas().back());
  const test::TrainingBatch batch = golden.batch(golden.batch_order(0));
  TrainingPass pass = golden.pass(batch);
  pass.probabilities = {0.1f, 0.2f, 0.3f, 0.1f};
  const std::vector<std::uint32_t> samples{0, 1, 2, 3, 4, 5, 6, 7};
  pass.dropout = {5, 6, samples};
  TrainingSize size = golden.size(8);
  const auto kept = golden.model->training(table, 2, size);
  size.recompute = Recompute::kYes;
  const auto again = golden.model->training(table, 2, size);
  EXPECT_EQ(kept->accumulate(batch.packed(), pass), again->accumulate(batch.packed(), pass));
  EXPECT_EQ(golden.all(kept->gradients()), golden.all(again->gradients()));
  if (GetParam() == std::string("train_distil_seqcls")) return;  // it has one layer
  EXPECT_LT(again->activation_bytes(), kept->activation_bytes());
}

INSTANTIATE_TEST_SUITE_P(Cases, GradientGolden,
                         testing::Values("train_bert_seqcls", "train_bert_regression",
                                         "train_bert_tokcls", "train_bert_mlm",
                                         "train_distilbert_qa", "train_gpt2_lm",
                                         "train_distil_seqcls", "train_distil_mlm"),
                         [](const auto& p) { return std::string(p.param); });

}  // namespace
}  // namespace linnet
