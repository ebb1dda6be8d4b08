#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tasks/encoder_task.h"
#include "engine/tasks/window_batch.h"

namespace linnet {

/// A question and the text that may hold its answer.
struct Question {
  std::string_view question, context;
};

/// Names, meanings and defaults of the question-answering pipeline of transformers.
struct AnswerOptions {
  std::int64_t top_k = 1;  // answers to a question, at least 1
  /// Tokens of one window: question, special tokens and a part of the context. Default: 384, or
  /// fewer where the model reads fewer.
  std::optional<std::int64_t> max_seq_len{};
  /// Tokens of the context that neighbouring windows share. Default: 128, at most half a window.
  std::optional<std::int64_t> doc_stride{};
  std::int64_t max_answer_len = 15;       // tokens, at least 1
  bool handle_impossible_answer = false;  // "" is an answer too
  bool align_to_words = true;             // answers begin and end at the borders of words
  /// Decides as evaluations on SQuAD 2.0 do (see SquadSpans) instead of as the pipeline does: the
  /// answer is "" when the "no answer" logits exceed the best answer's by more than this. Scores
  /// are then softmax over the sums of logits of the n_best_size answers and of "".
  std::optional<double> null_score_diff_threshold{};
  std::int64_t n_best_size = 20;
  tokenizer::EncodeOptions encode{};  // parse_special and invalid_utf8
};

/// A part of the context. Where invalid UTF-8 was replaced, offsets are those of the text with
/// U+FFFD in it.
struct Answer {
  double score = 0;                 // probability of its first times of its last token
  std::int64_t start = 0, end = 0;  // code points
  std::int64_t byte_start = 0, byte_end = 0;
  std::string answer;
  float start_logit = 0, end_logit = 0;  // with null_score_diff_threshold
};

/// What one question got.
struct Answers {
  std::vector<Answer> answers;  // best first
  /// With null_score_diff_threshold: logits of "no answer" less those of the best answer.
  std::optional<double> null_score_diff{};
  std::string error;  // not empty: it could not be read, there are no answers
};

/// The answer to a question from the logits [L, 2] of the tokens of its windows, in their order, as
/// options.null_score_diff_threshold, which must be there, describes.
Answers squad_answers(const WindowedText& text, std::span<const Mat<const float>> logits,
                      const AnswerOptions& options);

/// Finds answers in texts with a question-answering model. Owns scratch memory and threads; one
/// thread uses it at a time.
///
/// A context that does not fit is read in overlapping windows. The spans of each window compete
/// with the probabilities softmax(start) · softmax(end) over its context and the first token, which
/// stands for "no answer"; spans with the same text, upper and lower case alike, count as one
/// answer with the sum of their scores. With handle_impossible_answer the answer "" takes part with
/// the smallest "no answer" score of all windows. A context without any word gives "" with score 0.
class QuestionAnswerer {
 public:
  /// The model must outlive it and have been loaded with HeadKind::kQuestionAnswering.
  explicit QuestionAnswerer(const TaskModel& model, const SessionOptions& options = {});

  /// One result for each question, in their order; the bits of a result depend on its question and
  /// context alone. Throws kInvalidArgument for options out of range, kCancelled.
  std::vector<Answers> answer(std::span<const Question> questions,
                              const AnswerOptions& options = {}, const TaskCalls& calls = {});

  /// Several questions on one context.
  std::vector<Answers> answer(std::span<const std::string_view> questions, std::string_view context,
                              const AnswerOptions& options = {}, const TaskCalls& calls = {});

 private:
  const TaskModel& model_;
  EncoderSession session_;
};

}  // namespace linnet
