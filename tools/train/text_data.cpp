// Sequence classification, of one label or several, and regression.
#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>
#include <utility>

#include "tools/evaluate/task_scores.h"
#include "tools/train/data_set.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

// Sequence i of the examples is record i of the file.
TokenArrays encode(const LabelledTexts& texts, const TextEncoder& encoder) {
  TextBatchOptions options;
  options.max_length = encoder.max_length;
  const auto inputs = texts.inputs();
  const TextBatch batch = make_text_batch(encoder.tokenizer, encoder.threads, inputs, options);
  if (!batch.errors.empty()) {
    const RowError& first = batch.errors.front();
    throw Error(first.code,
                texts.place(static_cast<std::size_t>(first.row)) + ": " + first.message);
  }
  std::vector<std::size_t> sequence_of(batch.rows.size());
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    sequence_of[static_cast<std::size_t>(batch.rows[i])] = i;
  }
  TokenArrays arrays;
  const std::span<const std::int32_t> tokens(batch.tokens), types(batch.types);
  for (const std::size_t i : sequence_of) {
    const auto begin = static_cast<std::size_t>(batch.starts[i]);
    const auto n = static_cast<std::size_t>(batch.starts[i + 1]) - begin;
    append_sequence(arrays, tokens.subspan(begin, n),
                    types.empty() ? types : types.subspan(begin, n));
    if (encoder.types && types.empty()) arrays.types.resize(arrays.tokens.size());
  }
  if (!encoder.types) arrays.types.clear();
  return arrays;
}

// Logits [B, C] against labels: what each problem makes of them.
void score(Scores& scores, std::span<const float> logits, const train::Examples& labels,
           ProblemType problem, std::size_t classes) {
  const std::size_t rows = logits.size() / classes;
  if (problem == ProblemType::kRegression) {
    const std::vector<double> values(labels.values.begin(), labels.values.end());
    return add_value_scores(scores, std::vector<double>(logits.begin(), logits.end()), values);
  }
  std::vector<std::int64_t> answers;
  if (problem == ProblemType::kMultiLabel) {
    for (const float logit : logits) answers.push_back(logit > 0 ? 1 : 0);
    const std::vector<std::int64_t> wanted(labels.values.begin(), labels.values.end());
    return add_multi_label_scores(scores, answers, wanted, static_cast<std::int64_t>(classes));
  }
  for (std::size_t i = 0; i < rows; ++i) {
    answers.push_back(best_class(logits.subspan(i * classes, classes)));
  }
  add_class_scores(scores, answers, labels.labels, static_cast<std::int64_t>(classes));
}

// The labels of a file in the form that the loss takes.
train::Examples targets(const LabelledTexts& texts, ProblemType problem,
                        const std::vector<std::string>& names) {
  train::Examples examples;
  if (problem == ProblemType::kRegression) {
    examples.values = label_values(texts);
  } else if (problem == ProblemType::kMultiLabel) {
    const auto sets = label_sets(texts, names);
    examples.values.assign(sets.begin(), sets.end());
  } else {
    examples.labels = label_classes(texts, names);
  }
  return examples;
}

LabelledTexts read(const std::string& path, const DataOptions& options, std::int64_t limit,
                   TaskData& task) {
  LabelledTexts texts = read_labelled(path, options.columns,
                                      limit > 0 ? limit : std::numeric_limits<std::int64_t>::max(),
                                      options.max_errors);
  if (texts.broken > 0) {
    task.broken += texts.broken;
    task.warnings.push_back(path + ": " + std::to_string(texts.broken) +
                            " records are passed over, the first: " + texts.first_broken);
  }
  if (options.problem == ProblemType::kRegression) return texts;
  const std::int64_t dropped = drop_unlabelled(texts);
  if (dropped > 0) {
    task.warnings.push_back(path + ": " + std::to_string(dropped) +
                            " records with the label -1 are left out");
  }
  return texts;
}

// As run_glue writes what it predicts. Several labels stand between commas.
std::string predicted(std::span<const float> logits, ProblemType problem,
                      const std::vector<std::string>& names) {
  const std::size_t C = names.size(), rows = logits.size() / C;
  std::string text = "index\tprediction\n";
  for (std::size_t i = 0; i < rows; ++i) {
    const auto row = logits.subspan(i * C, C);
    text += std::to_string(i) + "\t";
    if (problem == ProblemType::kRegression) {
      char number[64];
      const auto end =
          std::to_chars(std::begin(number), std::end(number), row[0], std::chars_format::fixed, 3);
      text.append(number, end.ptr);
    } else if (problem == ProblemType::kMultiLabel) {
      const char* between = "";
      for (std::size_t c = 0; c < C; ++c) {
        if (row[c] > 0) text += std::exchange(between, ",") + names[c];
      }
    } else {
      text += names[static_cast<std::size_t>(best_class(row))];
    }
    text += "\n";
  }
  return text;
}

using DataSetOf = std::function<DataSet(const TextEncoder&)>;

// Texts to predict. The labels that a loss would be made of are never looked at.
DataSetOf test_set(const DataOptions& options, const LabelSet& labels) {
  const std::int64_t limit = options.max_predict_samples;
  auto texts = std::make_shared<LabelledTexts>(read_labelled(
      options.test_file, options.columns,
      limit > 0 ? limit : std::numeric_limits<std::int64_t>::max(), 0, ReadLabels::kNone));
  return [texts, labels, name = options.task_name](const TextEncoder& encoder) {
    DataSet set;
    move_sequences(set.examples, encoder.cached([&] { return encode(*texts, encoder); }));
    set.records = set.examples.size();
    expect_cached(set.records == static_cast<std::int64_t>(texts->first.size()), texts->file);
    set.classes = static_cast<std::int64_t>(labels.names.size());
    const auto rows = static_cast<std::size_t>(set.records);
    if (labels.problem == ProblemType::kSingleLabel) {
      set.examples.labels.resize(rows);
    } else {
      set.examples.values.resize(rows * labels.names.size());
    }
    set.answers = [labels, name](std::span<const float> logits) {
      return std::vector<AnswerFile>{{"predict_results_" + (name.empty() ? "None" : name) + ".txt",
                                      predicted(logits, labels.problem, labels.spelled)}};
    };
    return set;
  };
}

DataSetOf data_set(LabelledTexts&& texts, ProblemType problem,
                   const std::vector<std::string>& names) {
  struct Kept {
    LabelledTexts texts;
    train::Examples targets;
  };
  auto kept = std::make_shared<Kept>();
  kept->targets = targets(texts, problem, names);
  kept->texts = std::move(texts);
  return [kept, problem, classes = names.size()](const TextEncoder& encoder) {
    DataSet set;
    move_sequences(set.examples, encoder.cached([&] { return encode(kept->texts, encoder); }));
    set.records = set.examples.size();
    expect_cached(set.records == static_cast<std::int64_t>(kept->texts.labels.size()),
                  kept->texts.file);
    set.classes = static_cast<std::int64_t>(classes);
    set.examples.labels = kept->targets.labels;
    set.examples.values = kept->targets.values;
    set.score = [kept, problem, classes](Scores& scores, std::span<const float> logits) {
      score(scores, logits, kept->targets, problem, classes);
    };
    return set;
  };
}

void name_empty_classes(TaskData& task, const train::Examples& targets) {
  std::vector<bool> used(task.labels.size());
  for (const std::int64_t label : targets.labels) used[static_cast<std::size_t>(label)] = true;
  const auto empty = std::count(used.begin(), used.end(), false);
  if (empty == 0) return;
  const auto first = std::find(used.begin(), used.end(), false) - used.begin();
  const std::string name = quote(task.labels[static_cast<std::size_t>(first)]);
  task.warnings.push_back(empty == 1
                              ? "class " + name + " has no example"
                              : std::to_string(empty) + " of " + std::to_string(used.size()) +
                                    " classes have no example, the first is " + name);
}

}  // namespace

TaskData read_text_task(const DataOptions& options, const CommonConfig& model) {
  TaskData task;
  task.head = HeadKind::kSequenceClassification;
  LabelledTexts texts = read(options.train_file, options, options.max_train_samples, task);
  const LabelSet set(texts, model, options.problem);
  task.problem = set.problem;
  task.labels = set.names;
  if (set.problem == ProblemType::kSingleLabel) {
    name_empty_classes(task, targets(texts, set.problem, set.names));
  }
  task.train = data_set(std::move(texts), set.problem, set.names);
  if (!options.validation_file.empty()) {
    task.validation =
        data_set(read(options.validation_file, options, options.max_eval_samples, task),
                 set.problem, set.names);
  }
  if (!options.test_file.empty()) task.test = test_set(options, set);
  return task;
}

}  // namespace linnet::tools
