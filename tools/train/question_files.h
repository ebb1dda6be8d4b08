#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/tasks/question_answerer.h"
#include "engine/tasks/squad_score.h"
#include "tools/train/data_set.h"
#include "weights/base/json_writer.h"

namespace linnet::tools {

/// The answers to questions in files as run_qa of the transformers examples writes them.
class QuestionFiles {
 public:
  /// Of each question at most `n_best_size` answers are written, and "" beside them.
  QuestionFiles(SquadVersion version, std::int64_t n_best_size);

  /// All answers of squad_answers(), the best first.
  void add(std::string_view id, const Answers& found);

  /// PREFIXpredictions.json {id: text}, PREFIXnbest_predictions.json {id: [{start_logit, end_logit,
  /// text, probability}, …]}, and of version 2 PREFIXnull_odds.json {id: logits of "no answer" less
  /// those of the best answer}.
  std::vector<AnswerFile> files(const std::string& prefix) &&;

 private:
  void add_best(const Answers& found);

  SquadVersion version_;
  std::size_t n_best_size_;
  json::Writer predictions_{4}, best_{4}, null_odds_{4};
};

}  // namespace linnet::tools
