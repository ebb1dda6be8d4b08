#include "tools/evaluate/task_scores.h"

#include <algorithm>

#include "engine/tasks/metrics.h"

namespace linnet::tools {

void add_class_scores(Scores& scores, std::span<const std::int64_t> answers,
                      std::span<const std::int64_t> labels, std::int64_t classes) {
  scores.add("accuracy", accuracy(answers, labels));
  if (classes == 2) {
    scores.add("f1", f1_score(answers, labels));
  } else {
    scores.add("macro_f1", macro_f1(answers, labels, classes));
  }
  scores.add("matthews_correlation", matthews(answers, labels, classes));
  scores.count("total", static_cast<std::int64_t>(labels.size()));
}

void add_value_scores(Scores& scores, std::span<const double> answers,
                      std::span<const double> values) {
  scores.add("pearson", pearson(answers, values));
  scores.add("spearman", spearman(answers, values));
  scores.count("total", static_cast<std::int64_t>(values.size()));
}

void add_multi_label_scores(Scores& scores, std::span<const std::int64_t> answers,
                            std::span<const std::int64_t> labels, std::int64_t classes) {
  const MultiLabelScores found = multi_label_scores(answers, labels, classes);
  scores.add("accuracy", found.accuracy);
  scores.add("f1_micro", found.f1_micro);
  scores.add("f1_macro", found.f1_macro);
  scores.count("total", static_cast<std::int64_t>(labels.size()) / classes);
}

void add_entity_scores(Scores& scores, const EntityScore& score) {
  scores.add("precision", score.precision());
  scores.add("recall", score.recall());
  scores.add("f1", score.f1());
  scores.add("accuracy", score.accuracy());
  scores.count("entities", score.entities());
  scores.count("total", score.words());
}

void add_squad_scores(Scores& scores, const SquadScore& score) {
  const SquadSums all = score.all();
  const bool one = score.version() == SquadVersion::kOne;
  scores.add(one ? "exact_match" : "exact", all.exact_percent());
  scores.add("f1", all.f1_percent());
  scores.count("total", all.questions);
  if (one) return;
  const auto part = [&](const std::string& name, const SquadSums& sums) {
    if (sums.questions == 0) return;
    scores.add(name + "_exact", sums.exact_percent());
    scores.add(name + "_f1", sums.f1_percent());
    scores.count(name + "_total", sums.questions);
  };
  part("HasAns", score.answerable());
  part("NoAns", score.unanswerable());
}

std::int64_t best_class(std::span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

}  // namespace linnet::tools
