#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/parallel.h"
#include "engine/models/common_config.h"
#include "engine/train/examples.h"
#include "tokenizer/tokenizer.h"
#include "tools/evaluate/scores.h"
#include "tools/train/labelled_texts.h"
#include "tools/train/token_cache.h"

// The files of a task as examples to train on, and how what a model gives for them is scored.
namespace linnet::tools {

enum class TrainTask {
  kTextClassification,
  kTokenClassification,
  kQuestionAnswering,
  kLanguageModeling,
  kMaskedLanguageModeling
};

/// What is read, and how.
struct DataOptions {
  TrainTask task = TrainTask::kTextClassification;
  std::string train_file;
  std::string validation_file, test_file;  // empty where there is none
  std::string task_name;                   // of GLUE; stands in the name of a file
  LabelledColumns columns;
  std::optional<ProblemType> problem{};  // of text classification; else the labels say it
  std::int64_t max_length = 128;
  std::int64_t max_train_samples = -1, max_eval_samples = -1, max_predict_samples = -1;  // -1: all
  std::int64_t max_errors = 0;  // broken records of texts that are passed over, of each file
  // Of language modelling: tokens of a block; 0: max_length.
  std::int64_t block_size = 0;
  double mlm_probability = 0.15;
  bool whole_words = false;
  std::uint64_t seed = 42;  // of what is hidden
  // Of question answering.
  std::int64_t doc_stride = 128, max_answer_length = 30, n_best_size = 20;
  double null_score_diff_threshold = 0;
};

/// What turns texts into ids.
struct TextEncoder {
  const tokenizer::Tokenizer& tokenizer;
  Threads& threads;
  std::int64_t max_length;
  bool types;  // the model has token types
  const TokenCache* cache = nullptr;
  std::string key{};  // of what is encoded, in the cache

  /// What is kept under the key, or what make() gives.
  TokenArrays cached(const std::function<TokenArrays()>& make) const {
    return cache == nullptr ? make() : cache->arrays(key, make);
  }
};

/// A file of a run, beside the model.
struct AnswerFile {
  std::string name, text;
};

struct DataSet {
  train::Examples examples;
  std::int64_t records = 0;  // of the file
  std::int64_t classes = 0;  // logits of a row
  /// Adds the scores of the logits that a model gives for the examples, as train::Evaluation has
  /// them. Empty for texts to predict, which have no labels.
  std::function<void(Scores&, std::span<const float> logits)> score;
  std::string score_prefix = "eval_";  // of their names in the results
  /// What the model answered, in files as run_glue, run_ner and run_qa leave it; empty where the
  /// task has none.
  std::function<std::vector<AnswerFile>(std::span<const float> logits)> answers{};
};

/// The files of a task, read and checked; ids are made when the tokenizer is there.
struct TaskData {
  HeadKind head;
  ProblemType problem = ProblemType::kUnset;
  std::vector<std::string> labels;    // of the head; none of question answering
  std::vector<std::string> warnings;  // about the data
  std::int64_t broken = 0;            // records that were passed over
  std::function<DataSet(const TextEncoder&)> train;
  std::function<DataSet(const TextEncoder&)> validation, test;  // empty without a file
};

/// What the tokens of a file depend on beside the encoder: the content of the file and the options
/// that say which of it is read, and how.
std::string content_key(const DataOptions& options, const std::string& file_hash,
                        std::int64_t max_samples);

/// Reads the files. `model` is the config.json that training begins from. Throws kFormat naming
/// file and line of what cannot be used.
TaskData read_task(const DataOptions& options, const CommonConfig& model);

TaskData read_text_task(const DataOptions& options, const CommonConfig& model);
TaskData read_tagged_task(const DataOptions& options, const CommonConfig& model);
TaskData read_question_task(const DataOptions& options);

/// Appends a sequence; its token types where `types` has any.
void append_sequence(TokenArrays& arrays, std::span<const std::int32_t> tokens,
                     std::span<const std::int32_t> types);

/// Throws kFormat: what the cache holds for a file is not what the file has.
void expect_cached(bool fits, const std::string& file);

/// Tokens, types and starts become those of the examples.
void move_sequences(train::Examples& examples, TokenArrays&& arrays);

}  // namespace linnet::tools
