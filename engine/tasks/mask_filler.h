#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tasks/encoder_task.h"
#include "engine/tasks/text_batch.h"

namespace linnet {

/// Names, meanings and defaults of the fill-mask pipeline of transformers.
struct FillOptions {
  std::int64_t top_k = 5;  // candidates of a mask, at least 1; no more than there are targets
  /// Only these tokens are candidates; empty: the whole vocabulary. See find_target().
  std::vector<std::string> targets{};
  std::optional<std::int64_t> max_length{};  // tokens, specials included
  TooLong too_long = TooLong::kRefuse;
  tokenizer::EncodeOptions encode{};  // parse_special is set: masks are special tokens
};

/// One candidate for a mask.
struct Fill {
  double score = 0;  // probability over the whole vocabulary
  std::int32_t token = 0;
  std::string token_str;
  std::string sequence;  // the text with it; with several masks, the others and the specials stay
};

/// What one text got.
struct Fills {
  std::vector<std::vector<Fill>> masks;  // of each mask in text order; best first, then by id
  std::string error;                     // not empty: it could not be read, there are no masks
};

/// The token that a target word stands for.
struct FillTarget {
  std::int32_t id = 0;
  bool exact = false;  // false: the word is not in the vocabulary, this is its first token
};

/// Absent where the word gives no token.
std::optional<FillTarget> find_target(const TaskModel& model, std::string_view word);

/// Fills the masks of texts with a masked language model. Owns scratch memory and threads; one
/// thread uses it at a time. Only the masked positions go through the vocabulary layer: memory is
/// one row of the vocabulary for each of 64 masks, or for all masks of one text.
class MaskFiller {
 public:
  /// The model must outlive it and have been loaded with HeadKind::kMaskedLm. Throws
  /// kInvalidArgument when its tokenizer has no mask token.
  explicit MaskFiller(const TaskModel& model, const SessionOptions& options = {});

  /// One result for each text, in their order; the bits of a result depend on its text alone. A
  /// text without a mask fails. Throws kInvalidArgument for options out of range and when no target
  /// gives a token, kCancelled, kNumeric.
  std::vector<Fills> fill(std::span<const std::string_view> texts, const FillOptions& options = {},
                          const TaskCalls& calls = {});

 private:
  const TaskModel& model_;
  std::int32_t mask_;
  EncoderSession session_;
  std::vector<float> logits_;  // [masks of a group, V]
};

}  // namespace linnet
