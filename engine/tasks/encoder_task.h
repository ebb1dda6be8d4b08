#pragma once

#include <filesystem>
#include <functional>

#include "engine/models/encoder_session.h"
#include "tokenizer/tokenizer.h"

namespace linnet {

/// An encoder with one head and its tokenizer. Immutable; share it among threads, each with a task
/// object of its own.
struct TaskModel {
  EncoderModel encoder;
  tokenizer::Tokenizer tokenizer;

  const std::vector<std::string>& labels() const { return encoder.common.labels; }
  /// Longest sequence in tokens: the smallest of what is asked, what the tokenizer says and the
  /// rows of the position embeddings.
  std::int64_t max_length(std::optional<std::int64_t> asked = std::nullopt) const;
};

/// Reads a Hugging Face directory with the head of options.head. Throws Error: kIo, kFormat,
/// kUnsupported, kNumeric, kLimit.
TaskModel load_task_model(const std::filesystem::path& directory, const LoadOptions& options,
                          const weights::OpenOptions& open = {});

/// Throws kInvalidArgument, naming the task, unless the model was loaded with this head.
void expect_head(const TaskModel& model, HeadKind head, const char* task);

/// What a task calls while it works.
struct TaskCalls {
  /// (tokens done, tokens of the call), every few thousand of them.
  std::function<void(std::int64_t done, std::int64_t all)> progress;
  /// True ends the call with Error(kCancelled).
  std::function<bool()> cancel;
};

}  // namespace linnet
