#include "tools/train/data_set.h"

#include "tools/train/language_data.h"

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

void append_sequence(train::Examples& examples, std::span<const std::int32_t> tokens,
                     std::span<const std::int32_t> types) {
  examples.tokens.insert(examples.tokens.end(), tokens.begin(), tokens.end());
  examples.types.insert(examples.types.end(), types.begin(), types.end());
  examples.starts.push_back(static_cast<std::int64_t>(examples.tokens.size()));
}

}  // namespace linnet::tools
