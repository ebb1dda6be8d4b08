#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/tasks/question_answerer.h"
#include "engine/tasks/sequence_logits.h"
#include "tools/evaluate/scores.h"
#include "tools/evaluate/squad_file.h"
#include "tools/io/progress.h"
#include "tools/train/tagged_words.h"

namespace linnet::tools {

/// The official scores of predictions, in per cent and by their official names. Throws kFormat when
/// a question has no prediction; predictions for other questions do not count.
Scores score_squad(const SquadFile& data, const SquadPredictions& predictions,
                   const std::string& predictions_name);

/// What an evaluation of a model runs with.
struct EvaluationRun {
  const TaskModel& model;
  SessionOptions session;
  TaskCalls calls;
  io::Progress& progress;
};

/// A sequence classifier on labelled texts: accuracy, F1 of class 1 (of more than two classes the
/// mean F1 of those that occur) and Matthews' correlation; of a regression Pearson's and
/// Spearman's; of several labels at once the accuracy of whole rows and F1, a label being answered
/// when its logit is above 0. Throws kFormat for a label that is none of the model, a text that
/// cannot be read and a logit that is not finite.
Scores score_texts(const EvaluationRun& run, LabelledTexts texts, const SequenceOptions& options);

/// A token classifier on tagged words: precision, recall and F1 of entities, accuracy of words.
/// Words beyond max_length count as O. Throws as score_texts does.
Scores score_tags(const EvaluationRun& run, std::shared_ptr<const TaggedWords> words,
                  std::optional<std::int64_t> max_length);

/// Answers the questions as evaluations on SQuAD do (null_score_diff_threshold holds for version 2;
/// of version 1 every question has an answer) and scores the answers as score_squad does. Throws
/// kFormat naming a question that cannot be answered.
Scores score_questions(const EvaluationRun& run, const SquadFile& data, AnswerOptions options);

}  // namespace linnet::tools
