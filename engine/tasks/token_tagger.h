#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tasks/encoder_task.h"
#include "engine/tasks/entities.h"
#include "engine/tasks/window_batch.h"

namespace linnet {

/// Names, meanings and defaults of the token-classification pipeline of transformers.
struct TagOptions {
  Aggregation aggregation_strategy = Aggregation::kNone;
  std::vector<std::string> ignore_labels{"O"};
  /// Reads a long text in windows that share this many tokens; of entities that overlap the longest
  /// stays. Without it the end of a long text is cut away. Needs an aggregation strategy.
  std::optional<std::int64_t> stride{};
  std::optional<std::int64_t> max_length{};  // tokens of a window, specials included
  tokenizer::EncodeOptions encode{};         // parse_special and invalid_utf8
};

/// An entity with its place in bytes beside the one in code points. Where invalid UTF-8 was
/// replaced, offsets are those of the text with U+FFFD in it.
struct TextEntity : Entity {
  std::int64_t byte_start = 0, byte_end = 0;
};

/// What one text got.
struct Tags {
  std::vector<TextEntity> entities;  // in text order
  std::string error;                 // not empty: it could not be read, there are no entities
};

/// Labels the tokens of texts with a token-classification model. Owns scratch memory and threads;
/// one thread uses it at a time. A text that is split into words already is given with a space
/// between each two.
class TokenTagger {
 public:
  /// The model must outlive it and have been loaded with HeadKind::kTokenClassification.
  explicit TokenTagger(const TaskModel& model, const SessionOptions& options = {});

  /// One result for each text, in their order; the bits of a result depend on its text alone.
  /// Throws kInvalidArgument for options out of range, kCancelled, kNumeric.
  std::vector<Tags> tag(std::span<const std::string_view> texts, const TagOptions& options = {},
                        const TaskCalls& calls = {});

 private:
  const TaskModel& model_;
  EncoderSession session_;
};

}  // namespace linnet
