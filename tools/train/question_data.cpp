// Extractive question answering on files of SQuAD.
#include <algorithm>
#include <limits>
#include <memory>

#include "engine/tasks/question_answerer.h"
#include "tools/evaluate/squad_file.h"
#include "tools/evaluate/task_scores.h"
#include "tools/train/data_set.h"
#include "tools/train/question_files.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

constexpr std::int8_t kContext = 1;

// Bytes [begin, end) of a context.
struct ByteSpan {
  std::int64_t begin, end;
};

// Where the first answer stands; empty when it does not stand where the file says.
std::optional<ByteSpan> find_answer(const SquadQuestion& question) {
  const std::string_view context = question.context, answer = question.answers[0];
  std::int64_t code_point = question.starts[0];
  std::size_t begin = 0;
  for (; begin < context.size(); ++begin) {
    const bool first = (static_cast<unsigned char>(context[begin]) & 0xC0) != 0x80;
    if (first && code_point-- == 0) break;
  }
  if (code_point >= 0 || context.substr(begin, answer.size()) != answer) return std::nullopt;
  return ByteSpan{static_cast<std::int64_t>(begin),
                  static_cast<std::int64_t>(begin + answer.size())};
}

// The first and last token of the answer in a window; token 0, "no answer", where the window does
// not hold all of it. Of the tokens that begin at or before the answer the last one is the first,
// as in the training features of run_qa in the examples of transformers.
std::pair<std::int64_t, std::int64_t> answer_tokens(const tokenizer::Encoding& window,
                                                    const ByteSpan& answer) {
  const auto& ids = window.sequence_ids;
  const auto begin = std::find(ids.begin(), ids.end(), kContext) - ids.begin();
  const auto end = std::find(ids.rbegin(), ids.rend(), kContext).base() - ids.begin();
  const auto offset = [&](std::int64_t i) { return window.offsets[static_cast<std::size_t>(i)]; };
  if (begin >= end || offset(begin).begin > answer.begin || offset(end - 1).end < answer.end) {
    return {0, 0};
  }
  std::int64_t first = begin, last = end - 1;
  while (first < end && offset(first).begin <= answer.begin) ++first;
  while (last >= begin && offset(last).end >= answer.end) --last;
  return {first - 1, last + 1};
}

struct Questions {
  SquadFile file;
  std::size_t count = 0;                         // that are used
  std::vector<std::optional<ByteSpan>> answers;  // of each; none where it has no answer

  std::span<const SquadQuestion> used() const { return std::span(file.questions).first(count); }
};

std::shared_ptr<const Questions> read(const std::string& path, std::int64_t limit) {
  auto all = std::make_shared<Questions>(Questions{read_squad(path), 0, {}});
  all->count = all->file.questions.size();
  if (limit > 0) all->count = std::min(all->count, static_cast<std::size_t>(limit));
  std::int64_t wrong = 0;
  std::string_view first_wrong;
  for (const SquadQuestion& question : all->used()) {
    std::optional<ByteSpan> answer;
    if (!question.answers.empty()) {
      answer = find_answer(question);
      if (!answer && wrong++ == 0) first_wrong = question.id;
    }
    all->answers.push_back(answer);
  }
  if (wrong > 0) {
    throw Error(ErrorCode::kFormat,
                path + ": " + std::to_string(wrong) +
                    " answers do not stand at their answer_start, the first is that of question " +
                    quote(first_wrong));
  }
  return all;
}

using Windows = std::vector<WindowedText>;

TokenArrays tokens_of(const Questions& questions, const TextEncoder& encoder,
                      std::int64_t doc_stride) {
  std::vector<TextInput> inputs;
  for (const SquadQuestion& q : questions.used()) inputs.push_back({q.question, q.context});
  tokenizer::EncodeOptions options;
  options.truncation = tokenizer::Truncation::kOnlySecond;
  options.return_overflow = true;
  options.max_length = encoder.max_length;
  options.stride = doc_stride;
  const Windows windows = make_windows(encoder.tokenizer, encoder.threads, inputs, options);
  TokenArrays arrays;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (!windows[i].error.empty()) {
      throw Error(windows[i].code, questions.file.name + ": question " +
                                       quote(questions.file.questions[i].id) + ": " +
                                       windows[i].error);
    }
    arrays.more.push_back(static_cast<std::int32_t>(windows[i].windows.size()));
  }
  for (const WindowedText& text : windows) {
    for (const tokenizer::Encoding& window : text.windows) {
      append_sequence(arrays, window.ids, window.type_ids);
      for (std::size_t t = 0; t < window.ids.size(); ++t) {
        const std::int32_t token[] = {window.offsets[t].begin, window.offsets[t].end,
                                      window.sequence_ids[t]};
        arrays.more.insert(arrays.more.end(), std::begin(token), std::end(token));
      }
    }
  }
  if (!encoder.types) arrays.types.clear();
  return arrays;
}

// The windows with what of them is needed here: where each token stands.
std::shared_ptr<const Windows> windows_of(const Questions& questions, const TokenArrays& arrays) {
  const std::size_t count = questions.count, sequences = arrays.starts.size() - 1;
  const auto expect = [&](bool fits) { expect_cached(fits, questions.file.name); };
  expect(arrays.more.size() == count + 3 * arrays.tokens.size());
  auto windows = std::make_shared<Windows>(count);
  const std::int32_t* at = arrays.more.data() + count;
  std::size_t sequence = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const SquadQuestion& question = questions.file.questions[i];
    const auto context = static_cast<std::int32_t>(question.context.size());
    (*windows)[i].text = {question.question, question.context};
    expect(arrays.more[i] > 0);
    for (std::int32_t w = 0; w < arrays.more[i]; ++w, ++sequence) {
      expect(sequence < sequences);
      tokenizer::Encoding& window = (*windows)[i].windows.emplace_back();
      const std::int64_t begin = arrays.starts[sequence], end = arrays.starts[sequence + 1];
      window.ids.assign(arrays.tokens.begin() + begin, arrays.tokens.begin() + end);
      for (std::int64_t t = begin; t < end; ++t, at += 3) {
        expect(at[2] != kContext || (0 <= at[0] && at[0] <= at[1] && at[1] <= context));
        window.offsets.push_back({at[0], at[1]});
        window.sequence_ids.push_back(static_cast<std::int8_t>(at[2]));
      }
    }
  }
  expect(sequence == sequences);
  return windows;
}

// take(question, answers) for each question; logits [T, 2] of all windows.
template <class Take>
void answer_all(const Questions& questions, const Windows& windows, AnswerOptions options,
                std::span<const float> logits, Take&& take) {
  if (questions.file.version == SquadVersion::kOne) {
    options.null_score_diff_threshold = std::numeric_limits<double>::infinity();
  }
  const float* at = logits.data();
  for (std::size_t i = 0; i < windows.size(); ++i) {
    std::vector<Mat<const float>> rows;
    for (const tokenizer::Encoding& window : windows[i].windows) {
      rows.push_back({at, window.size(), 2, 2});
      at += 2 * window.size();
    }
    take(questions.file.questions[i], squad_answers(windows[i], rows, options));
  }
}

// `prefix` is that of the files.
DataSet data_set(std::shared_ptr<const Questions> questions, const TextEncoder& encoder,
                 const DataOptions& options, const std::string& prefix) {
  TokenArrays arrays =
      encoder.cached([&] { return tokens_of(*questions, encoder, options.doc_stride); });
  const auto windows = windows_of(*questions, arrays);
  DataSet set;
  train::Examples& examples = set.examples;
  move_sequences(examples, std::move(arrays));
  for (std::size_t i = 0; i < windows->size(); ++i) {
    for (const tokenizer::Encoding& window : (*windows)[i].windows) {
      std::pair<std::int64_t, std::int64_t> tokens{0, 0};
      if (questions->answers[i]) tokens = answer_tokens(window, *questions->answers[i]);
      examples.span_starts.push_back(tokens.first);
      examples.span_ends.push_back(tokens.second);
    }
  }
  set.records = static_cast<std::int64_t>(questions->count);
  set.classes = 2;
  AnswerOptions answer;
  answer.max_answer_len = options.max_answer_length;
  answer.n_best_size = options.n_best_size;
  answer.null_score_diff_threshold = options.null_score_diff_threshold;
  answer.align_to_words = false;
  set.score = [questions, windows, answer](Scores& scores, std::span<const float> logits) {
    SquadScore score(questions->file.version);
    answer_all(*questions, *windows, answer, logits,
               [&](const SquadQuestion& question, const Answers& found) {
                 score.add(found.answers[0].answer, question.answers);
               });
    add_squad_scores(scores, score);
  };
  set.answers = [questions, windows, answer, prefix](std::span<const float> logits) {
    AnswerOptions all = answer;
    all.top_k = answer.n_best_size + 1;
    QuestionFiles files(questions->file.version, answer.n_best_size);
    answer_all(*questions, *windows, all, logits,
               [&](const SquadQuestion& question, const Answers& found) {
                 files.add(question.id, found);
               });
    return std::move(files).files(prefix);
  };
  return set;
}

}  // namespace

TaskData read_question_task(const DataOptions& options) {
  TaskData task;
  task.head = HeadKind::kQuestionAnswering;
  const auto part = [&](const std::string& file, std::int64_t limit, const char* prefix) {
    return [options, all = read(file, limit), prefix](const TextEncoder& encoder) {
      return data_set(all, encoder, options, prefix);
    };
  };
  task.train = part(options.train_file, options.max_train_samples, "");
  if (!options.validation_file.empty()) {
    task.validation = part(options.validation_file, options.max_eval_samples, "eval_");
  }
  if (options.test_file.empty()) return task;
  const auto test = part(options.test_file, options.max_predict_samples, "predict_");
  task.test = [test](const TextEncoder& encoder) {
    DataSet set = test(encoder);
    set.score_prefix = "test_";  // as run_qa has it
    return set;
  };
  return task;
}

}  // namespace linnet::tools
