#include "tools/train/question_files.h"

#include <algorithm>

#include "engine/core/math.h"

namespace linnet::tools {
namespace {

bool is_none(const Answer& answer) { return answer.byte_end == 0; }

double logits_of(const Answer& answer) {
  return static_cast<double>(answer.start_logit) + static_cast<double>(answer.end_logit);
}

}  // namespace

QuestionFiles::QuestionFiles(SquadVersion version, std::int64_t n_best_size)
    : version_(version), n_best_size_(static_cast<std::size_t>(n_best_size)) {
  for (json::Writer* out : {&predictions_, &best_, &null_odds_}) out->begin_object();
}

void QuestionFiles::add(std::string_view id, const Answers& found) {
  predictions_.key(id).string(found.answers[0].answer);
  best_.key(id);
  add_best(found);
  // Where no span of the context was left, the best answer counts as 0, as there.
  null_odds_.key(id).float64(found.null_score_diff ? *found.null_score_diff
                                                   : logits_of(found.answers[0]));
}

// "" takes its place among the n best, or comes after them; of version 1 it is no answer unless
// there is no other.
void QuestionFiles::add_best(const Answers& found) {
  std::vector<Answer> best = found.answers;
  const auto none = std::find_if(best.begin(), best.end(), is_none);
  std::rotate(none, none + 1, best.end());  // to the end; the others stand by their logits
  const Answer no_answer = best.back();
  best.pop_back();
  if (version_ == SquadVersion::kTwo || best.empty()) {
    const auto place = std::find_if(best.begin(), best.end(), [&](const Answer& answer) {
      return logits_of(answer) < logits_of(no_answer);
    });
    best.insert(place, no_answer);
  }
  if (best.size() > n_best_size_) {
    const bool kept =
        version_ == SquadVersion::kOne ||
        std::any_of(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(n_best_size_),
                    is_none);
    best.resize(n_best_size_);
    if (!kept) best.push_back(no_answer);
  }
  double max = logits_of(best[0]), sum = 0;
  for (const Answer& answer : best) max = std::max(max, logits_of(answer));
  for (const Answer& answer : best) sum += math::exp(logits_of(answer) - max);
  best_.begin_array();
  for (const Answer& answer : best) {
    best_.begin_object().key("start_logit").float64(static_cast<double>(answer.start_logit));
    best_.key("end_logit").float64(static_cast<double>(answer.end_logit));
    best_.key("text").string(answer.answer);
    best_.key("probability").float64(math::exp(logits_of(answer) - max) / sum).end_object();
  }
  best_.end_array();
}

std::vector<AnswerFile> QuestionFiles::files(const std::string& prefix) && {
  const auto text = [](json::Writer& out) { return std::move(out.end_object()).text() + "\n"; };
  std::vector<AnswerFile> all{{prefix + "predictions.json", text(predictions_)},
                              {prefix + "nbest_predictions.json", text(best_)}};
  if (version_ == SquadVersion::kTwo) all.push_back({prefix + "null_odds.json", text(null_odds_)});
  return all;
}

}  // namespace linnet::tools
