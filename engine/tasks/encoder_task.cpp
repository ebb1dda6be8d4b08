#include "engine/tasks/encoder_task.h"

#include "engine/models/sentence_config.h"
#include "engine/tasks/embedder.h"

namespace linnet {

std::int64_t TaskModel::max_length(std::optional<std::int64_t> asked) const {
  return effective_max_length(asked, SentenceConfig{}, tokenizer.facts().model_max_length,
                              encoder.config.positions);
}

TaskModel load_task_model(const std::filesystem::path& directory, const LoadOptions& options,
                          const weights::OpenOptions& open) {
  weights::Checkpoint checkpoint(directory, open);
  tokenizer::Tokenizer tokenizer = load_tokenizer(checkpoint.directory());
  TaskModel m{load_encoder(std::move(checkpoint), options), std::move(tokenizer)};
  if (m.tokenizer.id_limit() > m.encoder.config.vocab_size) {
    throw Error(ErrorCode::kFormat,
                m.encoder.checkpoint.directory().name() + ": the tokenizer has ids up to " +
                    std::to_string(m.tokenizer.id_limit() - 1) + ", the word embeddings have " +
                    std::to_string(m.encoder.config.vocab_size) + " rows");
  }
  return m;
}

void expect_head(const TaskModel& model, HeadKind head, const char* task) {
  if (model.encoder.head_kind == head) return;
  throw Error(ErrorCode::kInvalidArgument,
              std::string(task) + ": the model was loaded with the head " +
                  name(model.encoder.head_kind) + ", expected " + name(head));
}

}  // namespace linnet
