#include "tools/evaluate/evaluate.h"

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

}  // namespace

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
