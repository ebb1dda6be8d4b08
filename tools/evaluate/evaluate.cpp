#include "tools/evaluate/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/tasks/metrics.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

Scores squad_scores(const SquadScore& score, const char* task) {
  Scores scores(task);
  const SquadSums all = score.all();
  const bool one = score.version() == SquadVersion::kOne;
  scores.add(one ? "exact_match" : "exact", all.exact_percent());
  scores.add("f1", all.f1_percent());
  scores.count("total", all.questions);
  if (one) return scores;
  const auto part = [&](const std::string& name, const SquadSums& sums) {
    if (sums.questions == 0) return;
    scores.add(name + "_exact", sums.exact_percent());
    scores.add(name + "_f1", sums.f1_percent());
    scores.count(name + "_total", sums.questions);
  };
  part("HasAns", score.answerable());
  part("NoAns", score.unanswerable());
  return scores;
}

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
      const std::string place = texts.file + ": record " + std::to_string(first + i + 1) + ": ";
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

Scores score_regression(const EvaluationRun& run, const LabelledTexts& texts,
                        const SequenceOptions& options) {
  const std::vector<float> values = label_values(texts);
  const std::vector<double> labels(values.begin(), values.end());
  std::vector<double> answers;
  run_texts(run, texts, options,
            [&](std::size_t, std::span<const float> logits) { answers.push_back(logits[0]); });
  Scores scores("text-classification");
  scores.add("pearson", pearson(answers, labels));
  scores.add("spearman", spearman(answers, labels));
  scores.count("total", static_cast<std::int64_t>(labels.size()));
  return scores;
}

}  // namespace

Scores score_texts(const EvaluationRun& run, const LabelledTexts& texts,
                   const SequenceOptions& options) {
  expect_head(run.model, HeadKind::kSequenceClassification, "text classification");
  const ProblemType problem = run.model.encoder.common.problem_type;
  const std::vector<std::string>& names = run.model.labels();
  if (problem == ProblemType::kMultiLabel) {
    throw Error(ErrorCode::kUnsupported,
                "evaluate: the model gives a text several labels, expected one label a text");
  }
  if (problem == ProblemType::kRegression || names.size() == 1) {
    return score_regression(run, texts, options);
  }
  const std::vector<std::int64_t> labels = label_classes(texts, names);
  std::vector<std::int64_t> answers;
  run_texts(run, texts, options, [&](std::size_t, std::span<const float> logits) {
    answers.push_back(std::max_element(logits.begin(), logits.end()) - logits.begin());
  });
  const auto classes = static_cast<std::int64_t>(names.size());
  Scores scores("text-classification");
  scores.add("accuracy", accuracy(answers, labels));
  if (classes == 2) {
    scores.add("f1", f1_score(answers, labels));
  } else {
    scores.add("macro_f1", macro_f1(answers, labels, classes));
  }
  scores.add("matthews_correlation", matthews(answers, labels, classes));
  scores.count("total", static_cast<std::int64_t>(labels.size()));
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
  return squad_scores(score, "question-answering");
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
  return squad_scores(score, "squad");
}

}  // namespace linnet::tools
