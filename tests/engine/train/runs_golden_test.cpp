// The runs of the training goldens: learning rates, losses and gradient norms of 100 steps, final
// parameters, and the way on from the state after 50.
#include <gtest/gtest.h>

#include "engine/train/optimizer.h"
#include "engine/train/schedule.h"
#include "tests/engine/models/training_case.h"

namespace linnet::train {
namespace {

using nlohmann::json;
using test::TrainingCase;

struct Run {
  std::string folder, name;
};

std::vector<Run> runs() {
  std::vector<Run> all;
  for (const char* folder :
       {"train_bert_seqcls", "train_bert_regression", "train_bert_tokcls", "train_bert_mlm",
        "train_distilbert_qa", "train_gpt2_lm", "train_distil_seqcls", "train_distil_mlm"}) {
    const auto path = TrainingCase::folder(folder) / "case.json";
    if (!std::filesystem::exists(path)) continue;
    std::ifstream file(path);
    const json document = json::parse(file);
    for (const json& run : document["runs"]) all.push_back({folder, run["name"]});
  }
  if (all.empty()) all.push_back({"train_bert_seqcls", "adamw"});  // skips with the reason
  return all;
}

OptimizerOptions options_of(const json& run) {
  OptimizerOptions o;
  const bool sgd = run["opt"] == "sgd";
  o.kind = sgd ? OptimizerKind::kSgd : OptimizerKind::kAdamW;
  o.decay_groups = sgd ? DecayGroups::kEverything : DecayGroups::kMatrices;
  o.weight_decay = run.value("weight_decay", 0.0);
  o.momentum = run.value("momentum", 0.0);
  o.nesterov = run.value("nesterov", false);
  o.max_grad_norm = run.value("clip", 0.0);
  o.epsilon = run.value("eps", 1e-8);
  if (run.contains("betas")) o.beta1 = run["betas"][0], o.beta2 = run["betas"][1];
  return o;
}

class TrainingRun : public testing::TestWithParam<Run> {
 protected:
  /// Steps [from, 100) of the run; checks each against the recorded curves.
  void train(TrainingCase& c, const json& run, const test::GoldenFile& want, Optimizer& optimizer,
             std::size_t from) {
    const auto table = kernels::make_table(kernels::supported_isas().back());
    const auto training = c.model->training(table, 2, c.size(8));
    Schedule schedule;
    schedule.kind = *schedule_of(run.value("schedule", "constant"));
    schedule.warmup = run.value("warmup", 0);
    schedule.total = 100;
    const auto losses = want.values<double>("loss_f64"), rates = want.values<double>("lr"),
               norms = want.values<double>("grad_norm");
    const std::size_t parts = run.value("accum", std::size_t{1});
    const bool tokens = run.value("loss_normalization", "tokens") == "tokens";
    for (std::size_t step = from; step < 100; ++step) {
      const double lr = run["lr"].get<double>() * schedule.factor(static_cast<std::int64_t>(step));
      ASSERT_NEAR(lr, rates[step], 1e-12 * rates[step] + 1e-18) << step;
      const auto rows = c.batch_order(step);
      const LabelCounts all = c.pass(c.batch(rows)).divisors;
      training->clear_gradients();
      double loss = 0;
      for (std::size_t part = 0; part < parts; ++part) {
        const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(part * rows.size() / parts);
        const auto end =
            rows.begin() + static_cast<std::ptrdiff_t>((part + 1) * rows.size() / parts);
        const test::TrainingBatch batch = c.batch({begin, end});
        TrainingPass pass = c.pass(batch);
        pass.divisors = tokens ? all : pass.divisors * static_cast<double>(parts);
        pass.smoothing = run.value("label_smoothing", 0.0);
        loss += training->accumulate(batch.packed(), pass);
      }
      training->join_gradients();
      const double norm = optimizer.step(training->context(), training->gradients(), lr);
      ASSERT_NEAR(loss, losses[step], 1e-4 * std::max(1.0, losses[step])) << step;
      ASSERT_NEAR(norm, norms[step], 1e-3 * std::max(1.0, norms[step])) << step;
    }
    c.for_each_compared([&](const NamedParameter& p, std::int64_t begin, std::int64_t end) {
      const auto values = want.values<float>("final." + p.name);
      const float* mine = c.model->floats() + p.offset;
      double worst = 0;
      for (std::int64_t i = begin; i < end; ++i) {
        const double error =
            std::abs(double{mine[i]} - double{values[static_cast<std::size_t>(i)]});
        if (!(error <= worst)) worst = error;
      }
      EXPECT_LE(worst, 1e-4) << p.name;
    });
  }
};

TEST_P(TrainingRun, HundredSteps) {
  LINNET_NEEDS(TrainingCase::folder(GetParam().folder));
  TrainingCase c(GetParam().folder);
  for (const json& run : c.json["runs"]) {
    if (run["name"] != GetParam().name) continue;
    const test::GoldenFile want(c.folder() / "runs" / (GetParam().name + ".safetensors"));
    Optimizer optimizer(*c.model, options_of(run));
    train(c, run, want, optimizer, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, TrainingRun, testing::ValuesIn(runs()),
                         [](const auto& p) { return p.param.folder + "_" + p.param.name; });

class Resume : public TrainingRun {};

TEST_P(Resume, GoesOnFromStep50) {
  LINNET_NEEDS(TrainingCase::folder(GetParam().folder));
  TrainingCase c(GetParam().folder);
  const auto runs_folder = c.folder() / "runs";
  const test::GoldenFile state(runs_folder / (GetParam().name + ".state50.safetensors"));
  const test::GoldenFile want(runs_folder / (GetParam().name + ".safetensors"));
  for (const json& run : c.json["runs"]) {
    if (run["name"] != GetParam().name) continue;
    Optimizer optimizer(*c.model, options_of(run));
    const auto fill = [&](const std::string& kind, float* base) {
      for (const NamedParameter& p : c.model->tensors) {
        const auto values = state.values<float>(kind + "." + p.name);
        std::copy(values.begin(), values.end(), base + p.offset);
      }
    };
    fill("param", c.model->floats());
    for (const Optimizer::State& s : optimizer.state()) fill(s.name, s.base);
    optimizer.resume_at(50);
    train(c, run, want, optimizer, 50);
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, Resume, testing::Values(Run{"train_bert_seqcls", "adamw_all"}),
                         [](const auto& p) { return p.param.folder + "_" + p.param.name; });

TEST(Schedule, FactorsOfTheGoldens) {
  const auto path = test::data_dir() / "goldens/schedules/case.json";
  LINNET_NEEDS(path);
  std::ifstream file(path);
  int compared = 0;
  const json document = json::parse(file);
  for (const json& c : document["cases"]) {
    const auto kind = schedule_of(c["schedule"].get<std::string>());
    if (!kind) continue;
    Schedule s{*kind, c["warmup"], c["total"]};
    if (c.contains("power")) s.power = static_cast<std::int64_t>(c["power"].get<double>());
    if (c.contains("lr_end")) s.end = c["lr_end"];
    for (std::size_t step = 0; step < c["factor"].size(); ++step) {
      const double want = c["factor"][step];
      // 1 + cos cancels near the end: the last bit of 1 is left.
      EXPECT_NEAR(s.factor(static_cast<std::int64_t>(step)), want, 1e-12 * want + 1e-15)
          << c["schedule"] << step;
      ++compared;
    }
  }
  EXPECT_GT(compared, 400);
}

// A gradient that is not a number stops before anything changes.
TEST(Optimizer, NamesTheTensorThatIsNotFinite) {
  LINNET_NEEDS(TrainingCase::folder("train_bert_seqcls"));
  TrainingCase c("train_bert_seqcls");
  const auto table = kernels::make_table(kernels::supported_isas().back());
  const auto training = c.model->training(table, 1, c.size(8));
  const auto before = c.all(c.model->floats());
  const NamedParameter& broken = c.model->tensors[7];
  training->gradients()[broken.offset + 1] = std::nanf("");
  Optimizer optimizer(*c.model, {});
  try {
    optimizer.step(training->context(), training->gradients(), 0.1);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNumeric);
    EXPECT_EQ(std::string(e.what()),
              "step 1: the gradient of \"" + broken.name + "\" is not finite");
  }
  EXPECT_EQ(c.all(c.model->floats()), before);
}

}  // namespace
}  // namespace linnet::train
