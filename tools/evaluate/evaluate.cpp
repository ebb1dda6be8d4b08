#include "tools/evaluate/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/tasks/window_batch.h"
#include "tools/evaluate/task_scores.h"
#include "tools/train/tagged_data.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

// Inputs that are given to the model together: few enough for their logits to be small, enough to
// be sorted by length.
constexpr std::size_t kTogether = 2048;

double share(std::size_t done, std::size_t all) {
  return static_cast<double>(done) / static_cast<double>(all);
}

// Calls take(record, logits) for each text, in their order.
template <class Take>
void run_texts(const EvaluationRun& run, const LabelledTexts& texts, const SequenceOptions& options,
               Take&& take) {
  EncoderSession session(run.model.encoder, run.session);
  const std::vector<TextInput> inputs = texts.inputs();
  for (std::size_t first = 0; first < inputs.size(); first += kTogether) {
    const std::size_t n = std::min(kTogether, inputs.size() - first);
    const SequenceLogits logits = sequence_logits(
        run.model, session, std::span(inputs).subspan(first, n), options, run.calls);
    for (std::size_t i = 0; i < n; ++i) {
      const std::string place = texts.place(first + i) + ": ";
      if (!logits.errors[i].empty()) throw Error(ErrorCode::kFormat, place + logits.errors[i]);
      const std::span<const float> row = logits.row(i);
      if (!std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); })) {
        throw Error(ErrorCode::kNumeric, place + "a logit is not finite");
      }
      take(first + i, row);
    }
    run.progress.update(static_cast<std::int64_t>(first + n), share(first + n, inputs.size()));
  }
}

}  // namespace

Scores score_texts(const EvaluationRun& run, LabelledTexts texts, const SequenceOptions& options) {
  expect_head(run.model, HeadKind::kSequenceClassification, "text classification");
  const ProblemType problem = run.model.encoder.common.problem_type;
  const std::vector<std::string>& names = run.model.labels();
  Scores scores("text-classification");
  if (problem == ProblemType::kMultiLabel) {
    const std::vector<std::int64_t> labels = label_sets(texts, names);
    std::vector<std::int64_t> answers;
    run_texts(run, texts, options, [&](std::size_t, std::span<const float> logits) {
      for (const float logit : logits) answers.push_back(logit > 0 ? 1 : 0);
    });
    add_multi_label_scores(scores, answers, labels, static_cast<std::int64_t>(names.size()));
  } else if (problem == ProblemType::kRegression || names.size() == 1) {
    const std::vector<float> values = label_values(texts);
    std::vector<double> answers;
    run_texts(run, texts, options,
              [&](std::size_t, std::span<const float> logits) { answers.push_back(logits[0]); });
    add_value_scores(scores, answers, std::vector<double>(values.begin(), values.end()));
  } else {
    const std::int64_t dropped = drop_unlabelled(texts);
    const std::vector<std::int64_t> labels = label_classes(texts, names);
    std::vector<std::int64_t> answers;
    run_texts(run, texts, options, [&](std::size_t, std::span<const float> logits) {
      answers.push_back(best_class(logits));
    });
    add_class_scores(scores, answers, labels, static_cast<std::int64_t>(names.size()));
    if (dropped > 0) scores.count("unlabelled", dropped);
  }
  return scores;
}

Scores score_tags(const EvaluationRun& run, std::shared_ptr<const TaggedWords> words,
                  std::optional<std::int64_t> max_length) {
  expect_head(run.model, HeadKind::kTokenClassification, "token classification");
  EncoderSession session(run.model.encoder, run.session);
  const std::vector<std::string>& names = run.model.labels();
  const TextEncoder encoder{run.model.tokenizer, session.threads(),
                            run.model.max_length(max_length),
                            run.model.encoder.config.token_types > 0};
  const DataSet set = tagged_data_set(std::move(words), names, encoder);
  train::ExampleBatch batch;
  for (std::int64_t i = 0; i < set.examples.size(); ++i) batch.add(set.examples, i, i);
  const auto C = static_cast<std::int64_t>(names.size());
  std::vector<float> logits(static_cast<std::size_t>(batch.tokens() * C));
  TaskCalls calls = run.calls;
  calls.progress = [&](std::int64_t done, std::int64_t all) {
    run.progress.update(done, static_cast<double>(done) / static_cast<double>(all));
  };
  run_windows(session, batch.batch(), {logits.data(), batch.tokens(), C, C}, calls);
  if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); })) {
    throw Error(ErrorCode::kNumeric, "evaluate: a logit is not finite");
  }
  Scores scores("token-classification");
  set.score(scores, logits);
  return scores;
}

Scores score_questions(const EvaluationRun& run, const SquadFile& data, AnswerOptions options) {
  if (data.version == SquadVersion::kOne) {
    options.null_score_diff_threshold = std::numeric_limits<double>::infinity();
  }
  QuestionAnswerer answerer(run.model, run.session);
  SquadScore score(data.version);
  const std::vector<SquadQuestion>& all = data.questions;
  for (std::size_t first = 0; first < all.size(); first += kTogether) {
    const auto some = std::span(all).subspan(first, std::min(kTogether, all.size() - first));
    std::vector<Question> questions;
    for (const SquadQuestion& one : some) questions.push_back({one.question, one.context});
    const std::vector<Answers> answers = answerer.answer(questions, options, run.calls);
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (!answers[i].error.empty()) {
        throw Error(ErrorCode::kFormat,
                    data.name + ": question " + quote(some[i].id) + ": " + answers[i].error);
      }
      score.add(answers[i].answers[0].answer, some[i].answers);
    }
    const std::size_t done = first + some.size();
    run.progress.update(static_cast<std::int64_t>(done), share(done, all.size()));
  }
  Scores scores("question-answering");
  add_squad_scores(scores, score);
  return scores;
}

Scores score_squad(const SquadFile& data, const SquadPredictions& predictions,
                   const std::string& predictions_name) {
  SquadScore score(data.version);
  std::int64_t missing = 0;
  std::string_view first_missing;
  for (const SquadQuestion& question : data.questions) {
    const auto found = predictions.answers.find(question.id);
    if (found != predictions.answers.end()) {
      score.add(found->second, question.answers);
    } else if (missing++ == 0) {
      first_missing = question.id;
    }
  }
  if (missing > 0) {
    throw Error(ErrorCode::kFormat, predictions_name + ": " + std::to_string(missing) + " of " +
                                        std::to_string(data.questions.size()) + " questions of " +
                                        data.name + " have no prediction, the first is " +
                                        quote(first_missing));
  }
  Scores scores("squad");
  add_squad_scores(scores, score);
  return scores;
}

}  // namespace linnet::tools
