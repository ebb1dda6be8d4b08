#include "tools/train/data_set.h"

#include "tools/train/language_data.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {

TaskData read_task(const DataOptions& options, const CommonConfig& model) {
  switch (options.task) {
    case TrainTask::kTokenClassification:
      return read_tagged_task(options, model);
    case TrainTask::kQuestionAnswering:
      return read_question_task(options);
    case TrainTask::kLanguageModeling:
    case TrainTask::kMaskedLanguageModeling:
      return read_language_task(options);
    case TrainTask::kTextClassification:
      break;
  }
  return read_text_task(options, model);
}

std::string content_key(const DataOptions& options, const std::string& file_hash,
                        std::int64_t max_samples) {
  std::string key = "file " + file_hash;
  const auto add = [&](const char* name, std::int64_t value) {
    key += std::string(" ") + name + " " + std::to_string(value);
  };
  add("task", static_cast<std::int64_t>(options.task));
  add("problem", options.problem ? static_cast<std::int64_t>(*options.problem) : -1);
  add("samples", max_samples);
  add("errors", options.max_errors);
  add("block", options.block_size);
  add("stride", options.doc_stride);
  const LabelledColumns& c = options.columns;
  for (const std::string* name : {&c.text, &c.pair, &c.label}) key += " column " + quote(*name);
  return key;
}

void append_sequence(TokenArrays& arrays, std::span<const std::int32_t> tokens,
                     std::span<const std::int32_t> types) {
  arrays.tokens.insert(arrays.tokens.end(), tokens.begin(), tokens.end());
  arrays.types.insert(arrays.types.end(), types.begin(), types.end());
  arrays.starts.push_back(static_cast<std::int64_t>(arrays.tokens.size()));
}

void expect_cached(bool fits, const std::string& file) {
  if (fits) return;
  throw Error(ErrorCode::kFormat,
              file + ": the cache holds other tokens; --overwrite-cache makes it anew");
}

void move_sequences(train::Examples& examples, TokenArrays&& arrays) {
  examples.tokens = std::move(arrays.tokens);
  examples.types = std::move(arrays.types);
  examples.starts = std::move(arrays.starts);
}

}  // namespace linnet::tools
