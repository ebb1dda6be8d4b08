// Labels of texts, ranking and zero-shot classification against transformers, sentence-transformers
// and by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "engine/tasks/reranker.h"
#include "engine/tasks/text_classifier.h"
#include "engine/tasks/zero_shot_classifier.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"
#include "weights/base/json.h"

namespace linnet {
namespace {

namespace fs = std::filesystem;

TaskModel load(const fs::path& folder, kernels::Isa isa = kernels::supported_isas().back()) {
  LoadOptions options;
  options.isa = isa;
  options.head = HeadKind::kSequenceClassification;
  return load_task_model(folder, options);
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs pairs_of(const fs::path& folder) {
  const weights::Directory directory(folder);
  const auto document = weights::read_json(directory, "case.json", json::kConfigBytes);
  Pairs pairs;
  for (const json::Value pair : document->root().at("pairs").elements()) {
    auto text = pair.elements().begin();
    std::string first((*text).string());
    ++text;
    pairs.emplace_back(std::move(first), std::string((*text).string()));
  }
  return pairs;
}

class CrossEncoderGolden : public testing::TestWithParam<const char*> {};

TEST_P(CrossEncoderGolden, ScoresOfPairs) {
  const fs::path folder = test::data_dir() / "goldens" / GetParam();
  LINNET_NEEDS(folder);
  const TaskModel model = load(folder);
  const Pairs pairs = pairs_of(folder);
  std::vector<TextInput> inputs;
  for (const auto& [a, b] : pairs) inputs.push_back({a, b});
  TextClassifier classifier(model, {.threads = 2});
  ClassifyOptions options;
  options.top_k = 0;
  options.sequence.max_length = 40;
  const test::GoldenFile io(folder / "io.safetensors");
  for (const bool raw : {true, false}) {
    options.function =
        raw ? ScoreFunction::kNone
            : cross_encoder_function(model.encoder.checkpoint.config(), model.labels().size());
    std::vector<float> got(inputs.size() * model.labels().size());
    const auto results = classifier.classify(inputs, options);
    for (std::size_t i = 0; i < results.size(); ++i) {
      EXPECT_EQ(results[i].error, "");
      for (const LabelScore& s : results[i].labels) {
        got[i * model.labels().size() + static_cast<std::size_t>(s.label)] =
            static_cast<float>(s.score);
      }
    }
    test::expect_close(got, io.values<float>(raw ? "logits" : "scores"), raw ? "logits" : "scores");
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, CrossEncoderGolden,
                         testing::Values("ce_sigmoid", "ce_identity_old_key", "ce_identity_new_key",
                                         "ce_three"),
                         [](const auto& p) { return std::string(p.param); });

TEST(Reranker, OrdersTextsAndReportsThoseItCannotRead) {
  const fs::path folder = test::data_dir() / "goldens/ce_sigmoid";
  LINNET_NEEDS(folder);
  const TaskModel model = load(folder);
  Reranker reranker(model);
  const std::vector<std::string_view> texts{"whole mess", "\xFF", "a", "whole mess"};
  const auto results = reranker.score("enjoy the ride", texts);
  EXPECT_NE(results[1].error, "");
  EXPECT_EQ(results[0].score, results[3].score);
  const auto order = ranking(results);
  ASSERT_EQ(order.size(), 3u);
  EXPECT_GE(results[order[0]].score, results[order[1]].score);
  EXPECT_GE(results[order[1]].score, results[order[2]].score);
  EXPECT_LT(std::find(order.begin(), order.end(), 0u), std::find(order.begin(), order.end(), 3u));
  EXPECT_EQ(ranking(results, 2).size(), 2u);
  const auto raw = reranker.score("enjoy the ride", texts, {.raw_scores = true});
  EXPECT_NEAR(results[0].score, 1 / (1 + std::exp(-raw[0].score)), 1e-12);
}

TEST(Reranker, RefusesModelsWithSeveralLabels) {
  const fs::path folder = test::data_dir() / "goldens/ce_three";
  LINNET_NEEDS(folder);
  const TaskModel model = load(folder);
  EXPECT_THROW(Reranker reranker(model), Error);
}

TEST(CrossEncoder, FunctionComesFromThreePlaces) {
  const auto function = [](const char* config, std::size_t labels) {
    const json::Document document = json::parse(config, "config.json", json::kConfigBytes);
    return cross_encoder_function(document.root(), labels);
  };
  EXPECT_EQ(function("{}", 1), ScoreFunction::kSigmoid);
  EXPECT_EQ(function("{}", 3), ScoreFunction::kNone);
  EXPECT_EQ(function(R"({"sbert_ce_default_activation_function":
                         "torch.nn.modules.linear.Identity"})",
                     1),
            ScoreFunction::kNone);
  EXPECT_EQ(function(R"({"sentence_transformers": {"activation_fn":
                         "torch.nn.modules.activation.Sigmoid"}})",
                     3),
            ScoreFunction::kSigmoid);
  EXPECT_THROW(function(R"({"sentence_transformers": {"activation_fn": "os.system"}})", 1), Error);
}

// expected.json has the logits of transformers in FP32 for the development set of SST-2.
TEST(TextClassifier, SentencesOfSst2) {
  const fs::path folder = test::data_dir() / "checkpoints/minilm-sst2";
  LINNET_NEEDS(folder);
  const fs::path table = test::data_dir() / "glue/SST-2/dev.tsv";
  LINNET_NEEDS(table);
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  std::vector<std::string> texts;
  std::vector<std::int64_t> labels;
  while (std::getline(file, line)) {
    if (line.ends_with('\r')) line.pop_back();
    labels.push_back(line[0] - '0');
    texts.push_back(line.substr(line.find('\t') + 1));
  }
  ASSERT_EQ(texts.size(), 872u);
  const TaskModel model = load(folder);
  TextClassifier classifier(model, {.threads = 2});
  std::vector<TextInput> inputs;
  for (const std::string& text : texts) inputs.push_back({text, std::nullopt});
  std::int64_t right = 0, calls = 0;
  TaskCalls task_calls;
  task_calls.progress = [&](std::int64_t, std::int64_t) { ++calls; };
  const auto results = classifier.classify(inputs, {}, task_calls);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(results[i].labels.size(), 1u);
    right += results[i].labels[0].label == labels[i] ? 1 : 0;
  }
  EXPECT_EQ(right, 789);
  EXPECT_GT(calls, 1);
  task_calls.cancel = [] { return true; };
  EXPECT_THROW(classifier.classify(inputs, {}, task_calls), Error);
}

TEST(TextClassifier, ScoreFunctions) {
  const std::vector<float> logits{1.0f, -2.0f, 0.5f};
  std::vector<double> y(3);
  apply(ScoreFunction::kSoftmax, logits, y);
  const double sum = std::exp(1.0) + std::exp(-2.0) + std::exp(0.5);
  EXPECT_NEAR(y[1], std::exp(-2.0) / sum, 1e-15);
  apply(ScoreFunction::kSigmoid, logits, y);
  EXPECT_NEAR(y[2], 1 / (1 + std::exp(-0.5)), 1e-15);
  apply(ScoreFunction::kNone, logits, y);
  EXPECT_EQ(y, (std::vector<double>{1.0, -2.0, 0.5}));
  CommonConfig config;
  config.labels = {"a", "b"};
  EXPECT_EQ(default_score_function(config), ScoreFunction::kSoftmax);
  config.problem_type = ProblemType::kMultiLabel;
  EXPECT_EQ(default_score_function(config), ScoreFunction::kSigmoid);
  config.problem_type = ProblemType::kRegression;
  EXPECT_EQ(default_score_function(config), ScoreFunction::kNone);
  config = {};
  config.labels = {"a"};
  EXPECT_EQ(default_score_function(config), ScoreFunction::kSigmoid);
}

// The bytes of all scores of some texts.
std::vector<double> all_scores(const TaskModel& model, std::span<const TextInput> inputs,
                               int threads) {
  SessionOptions session;
  session.threads = threads;
  session.tokens_per_pass = 40;
  TextClassifier classifier(model, session);
  ClassifyOptions options;
  options.top_k = 0;
  std::vector<double> scores;
  for (const Classification& c : classifier.classify(inputs, options)) {
    for (const LabelScore& s : c.labels) scores.push_back(s.score);
  }
  return scores;
}

TEST(TextClassifier, SameBitsAloneInBatchesOnThreadsAndLevels) {
  const fs::path folder = test::data_dir() / "goldens/ce_three";
  LINNET_NEEDS(folder);
  const Pairs pairs = pairs_of(folder);
  std::vector<TextInput> inputs;
  for (const auto& [a, b] : pairs) inputs.push_back({a, b});
  std::vector<double> alone;
  const TaskModel reference = load(folder, kernels::Isa::kReference);
  for (const TextInput& input : inputs) {
    const auto scores = all_scores(reference, {&input, 1}, 1);
    alone.insert(alone.end(), scores.begin(), scores.end());
  }
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const TaskModel model = load(folder, isa);
    for (const int threads : {1, 2, 3}) {
      const auto together = all_scores(model, inputs, threads);
      ASSERT_EQ(together.size(), alone.size());
      EXPECT_EQ(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(double)), 0);
    }
  }
}

// ce_three with the labels of an NLI model.
fs::path nli_model(const fs::path& target) {
  for (const auto& entry : fs::directory_iterator(test::data_dir() / "goldens/ce_three")) {
    fs::copy(entry.path(), target / entry.path().filename());
  }
  std::ifstream in(target / "config.json");
  std::string config{std::istreambuf_iterator<char>(in), {}};
  const auto rename = [&](const std::string& from, const std::string& to) {
    for (std::size_t at; (at = config.find(from)) != std::string::npos;) {
      config.replace(at, from.size(), to);
    }
  };
  rename("LABEL_0", "contradiction");
  rename("LABEL_1", "Entailment");
  rename("LABEL_2", "neutral");
  std::ofstream(target / "config.json") << config;
  return target;
}

TEST(ZeroShot, IsTheSoftmaxOfEntailment) {
  LINNET_NEEDS(test::data_dir() / "goldens/ce_three");
  const test::TempDir temporary;
  const TaskModel model = load(nli_model(temporary.path()));
  ZeroShotClassifier zero_shot(model);
  TextClassifier classifier(model);
  const std::vector<std::string_view> texts{"told in scattered fashion"};
  const std::vector<std::string> candidates{"mess", "ride", "a"};
  ClassifyOptions raw;
  raw.top_k = 0;
  raw.function = ScoreFunction::kNone;
  std::vector<double> entail, against;
  double sum = 0;
  for (const std::string& candidate : candidates) {
    const std::string claim = "It is " + candidate + "!";
    const TextInput input{texts[0], claim};
    double logits[3];
    const Classification both = classifier.classify({&input, 1}, raw)[0];
    for (const LabelScore& s : both.labels) {
      logits[s.label] = s.score;
    }
    entail.push_back(logits[1]);
    against.push_back(logits[0]);
    sum += std::exp(logits[1]);
  }
  ZeroShotOptions options;
  options.hypothesis_template = "It is {}!";
  const ZeroShotResult one = zero_shot.classify(texts, candidates, options)[0];
  ASSERT_EQ(one.labels.size(), 3u);
  double before = 1;
  for (const CandidateScore& s : one.labels) {
    EXPECT_NEAR(s.score, std::exp(entail[s.label]) / sum, 1e-12);
    EXPECT_LE(s.score, before);
    before = s.score;
  }
  options.multi_label = true;
  const ZeroShotResult each = zero_shot.classify(texts, candidates, options)[0];
  for (const CandidateScore& s : each.labels) {
    const double e = std::exp(entail[s.label]), c = std::exp(against[s.label]);
    EXPECT_NEAR(s.score, e / (e + c), 1e-12);
  }
}

TEST(ZeroShot, RefusesWhatCannotWork) {
  const fs::path folder = test::data_dir() / "goldens/ce_three";
  LINNET_NEEDS(folder);
  const TaskModel plain = load(folder);
  EXPECT_THROW(ZeroShotClassifier zero_shot(plain), Error);  // no label says "entail"
  const test::TempDir temporary;
  const TaskModel model = load(nli_model(temporary.path()));
  ZeroShotClassifier zero_shot(model);
  const std::vector<std::string_view> texts{"a", "\xFF"};
  const std::vector<std::string> candidates{"x"};
  EXPECT_THROW(zero_shot.classify(texts, {}, {}), Error);
  ZeroShotOptions options;
  options.hypothesis_template = "nothing to fill";
  EXPECT_THROW(zero_shot.classify(texts, candidates, options), Error);
  const auto results = zero_shot.classify(texts, candidates);
  EXPECT_EQ(results[0].error, "");
  EXPECT_NE(results[1].error, "");
}

}  // namespace
}  // namespace linnet
