#pragma once

#include <span>
#include <vector>

#include "engine/tasks/encoder_task.h"
#include "engine/tasks/text_batch.h"

namespace linnet {

/// What the sequence-classification head gives for texts or pairs: logits [inputs, C] in the order
/// of the inputs. Inputs that could not be read have an error and zeros.
struct SequenceLogits {
  std::vector<float> values;
  std::int64_t labels = 0;          // C
  std::vector<std::string> errors;  // of each input; empty where there is none

  std::span<const float> row(std::size_t input) const {
    const auto C = static_cast<std::size_t>(labels);
    return std::span(values).subspan(input * C, C);
  }
};

/// How texts become sequences. The model's longest sequence where max_length says nothing.
struct SequenceOptions {
  std::optional<std::int64_t> max_length{};  // tokens, specials included
  TooLong too_long = TooLong::kTruncate;
  tokenizer::EncodeOptions encode{};  // parse_special and invalid_utf8
};

/// Runs the inputs, longest first, in parts between which `calls` are made. The bits of a row
/// depend on its input alone. Throws kCancelled.
SequenceLogits sequence_logits(const TaskModel& model, EncoderSession& session,
                               std::span<const TextInput> inputs, const SequenceOptions& options,
                               const TaskCalls& calls);

}  // namespace linnet
