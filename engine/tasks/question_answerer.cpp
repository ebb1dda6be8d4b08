#include "engine/tasks/question_answerer.h"

#include <algorithm>

#include "engine/core/math.h"
#include "engine/tasks/answer_spans.h"
#include "engine/tasks/squad_answers.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace linnet {
namespace {

using tokenizer::Encoding;

constexpr std::int64_t kWindowTokens = 384, kSharedTokens = 128;
constexpr std::int8_t kContext = 1;  // the context is the second text of the pair

tokenizer::EncodeOptions encode_options(const TaskModel& model, const AnswerOptions& options) {
  if (options.top_k < 1 || options.max_answer_len < 1 || options.n_best_size < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                "question answering: top_k is " + std::to_string(options.top_k) +
                    ", max_answer_len " + std::to_string(options.max_answer_len) +
                    " and n_best_size " + std::to_string(options.n_best_size) +
                    ", expected at least 1");
  }
  tokenizer::EncodeOptions encode = options.encode;
  encode.truncation = tokenizer::Truncation::kOnlySecond;
  encode.return_overflow = true;
  encode.offsets = tokenizer::OffsetUnit::kBytes;
  const std::int64_t longest = options.max_seq_len ? model.max_length(options.max_seq_len)
                                                   : std::min(model.max_length(), kWindowTokens);
  encode.max_length = longest;
  encode.stride = options.doc_stride.value_or(std::min(longest / 2, kSharedTokens));
  if (encode.stride < 0 || encode.stride > longest) {
    throw Error(ErrorCode::kInvalidArgument,
                "question answering: doc_stride is " + std::to_string(encode.stride) +
                    ", expected 0 to the window's " + std::to_string(longest) + " tokens");
  }
  return encode;
}

std::string lower_case(std::string_view text) {
  namespace unicode = tokenizer::unicode;
  namespace utf8 = tokenizer::utf8;
  std::string out;
  for (std::int64_t at = 0; at < static_cast<std::int64_t>(text.size());) {
    const char32_t c = utf8::decode(text, at);
    const bool has_lower = (unicode::table().classes(c) & unicode::kHasLower) != 0;
    utf8::append(out, has_lower ? unicode::lower(c) : c);
    if (c == unicode::kCapitalDottedI) utf8::append(out, unicode::kDotAbove);
    at += utf8::length_of(text[static_cast<std::size_t>(at)]);
  }
  return out;
}

// The tokens of the words that the span begins and ends with, as far as this window has them.
Span whole_words(const Encoding& window, Span span) {
  const auto word = [&](std::int64_t i) { return window.word_ids[static_cast<std::size_t>(i)]; };
  const auto in_context = [&](std::int64_t i) {
    return window.sequence_ids[static_cast<std::size_t>(i)] == kContext;
  };
  if (word(span.first) < 0 || word(span.last) < 0) return span;
  while (in_context(span.first - 1) && word(span.first - 1) == word(span.first)) --span.first;
  while (span.last + 1 < window.size() && in_context(span.last + 1) &&
         word(span.last + 1) == word(span.last)) {
    ++span.last;
  }
  return span;
}

// Start and end logits of a window's tokens, and which tokens are context.
struct Columns {
  std::vector<float> start, end;
  std::vector<std::uint8_t> in_context;

  Columns(const Encoding& window, Mat<const float> logits) {
    for (std::int64_t i = 0; i < logits.rows; ++i) {
      start.push_back(logits.row(i)[0]);
      end.push_back(logits.row(i)[1]);
      in_context.push_back(window.sequence_ids[static_cast<std::size_t>(i)] == kContext);
    }
  }
};

Answer answer_of(std::string_view context, const Encoding& window, const Span& span) {
  Answer answer;
  answer.score = span.score;
  answer.byte_start = window.offsets[static_cast<std::size_t>(span.first)].begin;
  answer.byte_end = window.offsets[static_cast<std::size_t>(span.last)].end;
  answer.start = code_points(context, answer.byte_start);
  answer.end = code_points(context, answer.byte_end);
  answer.answer = context.substr(static_cast<std::size_t>(answer.byte_start),
                                 static_cast<std::size_t>(answer.byte_end - answer.byte_start));
  return answer;
}

void keep_best(std::vector<Answer>& answers, std::int64_t top_k) {
  if (static_cast<std::int64_t>(answers.size()) > top_k) {
    answers.resize(static_cast<std::size_t>(top_k));
  }
}

// The answers to one question as the pipeline has them, window after window.
class Collector {
 public:
  Collector(std::string_view context, const AnswerOptions& options)
      : context_(context), options_(options) {}

  void add(const Encoding& window, const Columns& c) {
    // Spans that become the same words are one answer: more are asked for than are needed.
    const std::int64_t count = options_.align_to_words ? 2 * options_.top_k + 10 : options_.top_k;
    const WindowSpans spans =
        best_spans({c.start, c.end, c.in_context}, count, options_.max_answer_len);
    null_score_ = std::min(null_score_, spans.null_score);
    for (const Span& span : spans.best) {
      add(window, options_.align_to_words ? whole_words(window, span) : span);
    }
  }

  std::vector<Answer> finish() {
    if (options_.handle_impossible_answer) {
      answers_.emplace_back().score = null_score_;
    } else if (answers_.empty()) {
      answers_.emplace_back();
    }
    std::stable_sort(answers_.begin(), answers_.end(),
                     [](const Answer& a, const Answer& b) { return a.score > b.score; });
    keep_best(answers_, options_.top_k);
    return std::move(answers_);
  }

 private:
  void add(const Encoding& window, const Span& span) {
    Answer answer = answer_of(context_, window, span);
    std::string key = lower_case(answer.answer);
    const auto same = std::find(keys_.begin(), keys_.end(), key);
    if (same != keys_.end()) {
      answers_[static_cast<std::size_t>(same - keys_.begin())].score += span.score;
      return;
    }
    keys_.push_back(std::move(key));
    answers_.push_back(std::move(answer));
  }

  std::string_view context_;
  const AnswerOptions& options_;
  std::vector<Answer> answers_;
  std::vector<std::string> keys_;  // of each answer, in lower case
  double null_score_ = 1;
};

// The answers to one question as evaluations on SQuAD 2.0 have them.
Answers best_squad_answers(const WindowedText& text, std::span<const Columns> columns,
                           const AnswerOptions& options) {
  SquadSpans spans(options.n_best_size, options.max_answer_len);
  for (const Columns& c : columns) spans.add(c.start, c.end, c.in_context);
  const SquadAnswers found = spans.finish();
  Answers result;
  Answer none;
  none.score = found.null_score;
  const auto set_logits = [&](Answer& answer, const LogitSpan& span) {
    const Columns& c = columns[static_cast<std::size_t>(span.window)];
    answer.start_logit = c.start[static_cast<std::size_t>(span.first)];
    answer.end_logit = c.end[static_cast<std::size_t>(span.last)];
  };
  set_logits(none, {found.null_window, 0, 0, found.null_score});
  double max = found.null_score;
  for (const LogitSpan& span : found.best) {
    result.answers.push_back(answer_of(*text.text.second,
                                       text.windows[static_cast<std::size_t>(span.window)],
                                       {span.first, span.last, span.score}));
    set_logits(result.answers.back(), span);
    max = std::max(max, span.score);
  }
  const bool any = !found.best.empty();
  if (any) result.null_score_diff = found.null_score - found.best[0].score;
  const bool no_answer = !any || *result.null_score_diff > *options.null_score_diff_threshold;
  result.answers.insert(no_answer ? result.answers.begin() : result.answers.begin() + 1, none);
  double sum = 0;
  for (Answer& answer : result.answers) sum += answer.score = math::exp(answer.score - max);
  for (Answer& answer : result.answers) answer.score /= sum;
  std::stable_sort(result.answers.begin() + 1, result.answers.end(),
                   [](const Answer& a, const Answer& b) { return a.score > b.score; });
  keep_best(result.answers, options.top_k);
  return result;
}

Answers pipeline_answers(const WindowedText& text, std::span<const Columns> columns,
                         const AnswerOptions& options) {
  Collector collector(*text.text.second, options);
  for (std::size_t w = 0; w < columns.size(); ++w) collector.add(text.windows[w], columns[w]);
  Answers result;
  result.answers = collector.finish();
  return result;
}

}  // namespace

Answers squad_answers(const WindowedText& text, std::span<const Mat<const float>> logits,
                      const AnswerOptions& options) {
  std::vector<Columns> columns;
  for (std::size_t w = 0; w < logits.size(); ++w) columns.emplace_back(text.windows[w], logits[w]);
  return best_squad_answers(text, columns, options);
}

QuestionAnswerer::QuestionAnswerer(const TaskModel& model, const SessionOptions& options)
    : model_(model), session_(model.encoder, options) {
  expect_head(model, HeadKind::kQuestionAnswering, "question answering");
}

std::vector<Answers> QuestionAnswerer::answer(std::span<const Question> questions,
                                              const AnswerOptions& options,
                                              const TaskCalls& calls) {
  const tokenizer::EncodeOptions encode = encode_options(model_, options);
  std::vector<TextInput> inputs;
  for (const Question& q : questions) inputs.push_back({q.question, q.context});
  std::vector<WindowedText> texts =
      make_windows(model_.tokenizer, session_.threads(), inputs, encode);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const char* empty = questions[i].question.empty()  ? "the question is empty"
                        : questions[i].context.empty() ? "the context is empty"
                                                       : nullptr;
    if (empty == nullptr) continue;
    texts[i].windows.clear();
    texts[i].error = empty;
  }
  const WindowBatch batch = pack_windows(texts);
  std::vector<float> values(batch.tokens.size() * 2);
  const Mat<float> logits{values.data(), static_cast<std::int64_t>(batch.tokens.size()), 2, 2};
  run_windows(session_, batch.batch(), logits, calls);

  const std::vector<std::vector<std::int64_t>> starts = window_starts(batch, texts);
  std::vector<Answers> results(texts.size());
  for_each_on_all_threads(
      session_.threads(), static_cast<std::int64_t>(results.size()), [&](std::int64_t row) {
        const auto i = static_cast<std::size_t>(row);
        results[i].error = texts[i].error;
        if (!texts[i].error.empty()) return;
        std::vector<Columns> columns;
        for (std::size_t w = 0; w < texts[i].windows.size(); ++w) {
          const Encoding& window = texts[i].windows[w];
          columns.emplace_back(window,
                               logits.slice_rows(starts[i][w], starts[i][w] + window.size()));
        }
        results[i] = options.null_score_diff_threshold
                         ? best_squad_answers(texts[i], columns, options)
                         : pipeline_answers(texts[i], columns, options);
      });
  return results;
}

std::vector<Answers> QuestionAnswerer::answer(std::span<const std::string_view> questions,
                                              std::string_view context,
                                              const AnswerOptions& options,
                                              const TaskCalls& calls) {
  std::vector<Question> inputs;
  for (const std::string_view question : questions) inputs.push_back({question, context});
  return answer(inputs, options, calls);
}

}  // namespace linnet
