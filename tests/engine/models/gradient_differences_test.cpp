// The gradient of every tensor of every kind of model and head against differences of the loss,
// with dropout on: its masks are functions of the step, the same in every pass.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "engine/models/load_trainable.h"
#include "tests/support/data.h"

namespace linnet {
namespace {

// Three sequences with labels of every kind at random.
struct RandomBatch {
  std::vector<std::int32_t> tokens, positions;
  std::vector<std::int64_t> starts{0, 7, 8, 20}, labels, next_sentence{1, 0, 1},
      span_starts{3, 0, 11}, span_ends{6, 0, 2};
  std::vector<float> values;
  std::vector<std::uint32_t> samples{4, 5, 6};

  RandomBatch(const TrainableModel& model, const CommonConfig& config) {
    std::mt19937 rng(11);
    const std::int64_t V = model.limits().vocab_size;
    const HeadKind head = model.head_kind();
    const bool vocabulary = head == HeadKind::kMaskedLm || head == HeadKind::kPreTraining ||
                            head == HeadKind::kCausalLm;
    const auto C = static_cast<std::int64_t>(config.labels.size());
    const auto below = [&](std::int64_t n) {
      return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
    };
    for (std::int64_t t = 0; t < starts.back(); ++t) {
      tokens.push_back(static_cast<std::int32_t>(1 + below(V - 1)));
      positions.push_back(static_cast<std::int32_t>(t < 7 ? t : t < 8 ? 0 : t - 8));
      labels.push_back(t % 5 == 4 ? kIgnoreLabel : below(vocabulary ? V : C));
    }
    if (head == HeadKind::kSequenceClassification) {
      const bool floats = config.problem_type == ProblemType::kRegression ||
                          config.problem_type == ProblemType::kMultiLabel || C == 1;
      for (std::int64_t i = 0; floats && i < 3 * C; ++i)
        values.push_back(static_cast<float>(i % 2));
      labels.resize(3);
    }
    if (head == HeadKind::kMultipleChoice) labels = {2};
  }

  Batch batch() const { return {tokens, positions, {}, starts}; }
  TrainingPass pass(const TrainableModel& model) const {
    TrainingPass pass;
    pass.targets.labels = labels;
    pass.targets.values = values;
    pass.targets.spans = {span_starts, span_ends};
    pass.targets.next_sentence = next_sentence;
    pass.divisors = model.check_targets(batch(), pass.targets);
    pass.dropout = {3, 4, samples};
    pass.probabilities = {0.1f, 0.15f, 0.2f, 0.05f};
    return pass;
  }
};

class GradientDifferences : public testing::TestWithParam<const char*> {};

TEST_P(GradientDifferences, EveryTensor) {
  const auto folder = test::data_dir() / "goldens" / GetParam();
  LINNET_NEEDS(folder);
  const weights::Checkpoint checkpoint(folder);
  const auto model = load_trainable(checkpoint, {});
  const RandomBatch random(*model, read_common_config(checkpoint.config()));
  const Batch batch = random.batch();
  const TrainingPass pass = random.pass(*model);
  const auto training =
      model->training(kernels::make_table(kernels::supported_isas().back()), 2, {20, 3, 12});
  const double loss = training->accumulate(batch, pass);
  EXPECT_EQ(training->loss(batch, pass), loss);
  training->join_gradients();

  double greatest = 0;
  for (const NamedParameter& p : model->tensors) {
    for (std::int64_t i = 0; i < p.elements(); ++i) {
      greatest = std::max(greatest, std::abs(double{training->gradients()[p.offset + i]}));
    }
  }
  std::mt19937 rng(12);
  std::normal_distribution<double> normal;
  for (const NamedParameter& p : model->tensors) {
    const float* g = training->gradients() + p.offset;
    float* x = model->floats() + p.offset;
    const auto n = static_cast<std::size_t>(p.elements());
    double length = 0;
    for (std::size_t i = 0; i < n; ++i) length += double{g[i]} * g[i];
    length = std::sqrt(length);
    // Half along the gradient, half at random.
    std::vector<double> direction(n);
    double size = 0;
    for (std::size_t i = 0; i < n; ++i) {
      direction[i] = length > 0 ? g[i] / length : 0;
      direction[i] += normal(rng) / std::sqrt(static_cast<double>(n));
      size += direction[i] * direction[i];
    }
    const std::vector<float> from(x, x + n);
    double want = 0;
    const auto moved = [&](double by) {
      for (std::size_t i = 0; i < n; ++i) {
        x[i] = static_cast<float>(from[i] + by * direction[i] / std::sqrt(size));
      }
      return training->loss(batch, pass);
    };
    constexpr double h = 4e-3;
    const double got = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
    for (std::size_t i = 0; i < n; ++i) want += g[i] * direction[i] / std::sqrt(size);
    std::copy(from.begin(), from.end(), x);
    // The loss is rounded to about 3e-7 of itself by FP32 activations.
    const double noise = 3e-7 * std::max(1.0, loss) / h;
    EXPECT_NEAR(got, want, 2e-3 * length + noise + 1e-4 * greatest) << p.name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, GradientDifferences,
    testing::Values("gpt2_lm", "gpt2_lm_act_gelu", "gpt2_lm_act_silu", "gpt2_lm_inner",
                    "gpt2_lm_inverse_layer", "gpt2_lm_unscaled", "gpt2_lm_head_present", "gpt2_qa",
                    "gpt2_seqcls", "gpt2_tokcls", "bert_mlm", "bert_mlm_untied", "bert_pretraining",
                    "bert_nsp", "bert_mc", "bert_qa", "bert_tokcls", "bert_seqcls",
                    "bert_seqcls_multilabel", "bert_seqcls_regression", "distilbert_mlm",
                    "distilbert_qa", "distilbert_seqcls", "distilbert_tokcls"),
    [](const auto& p) { return std::string(p.param); });

}  // namespace
}  // namespace linnet
