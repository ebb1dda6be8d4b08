#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/batch.h"
#include "engine/core/parallel.h"
#include "tokenizer/tokenizer.h"
#include "weights/base/error.h"

namespace linnet {

/// A text, or a pair of texts.
struct TextInput {
  std::string_view first;
  std::optional<std::string_view> second;
};

/// Why one input of many has no result.
struct RowError {
  std::int64_t row;
  ErrorCode code;
  std::string message;
};

/// kTruncate cuts longer inputs, of a pair the longer side first; kTruncateFirst cuts the first
/// text of a pair alone; kRefuse makes them a RowError.
enum class TooLong { kTruncate, kTruncateFirst, kRefuse };

struct TextBatchOptions {
  std::int64_t max_length = 512;  // tokens, specials included
  TooLong too_long = TooLong::kTruncate;
  /// Put before each first text; not empty only for sentence embeddings.
  std::string_view prompt;
  tokenizer::EncodeOptions encode;  // parse_special and invalid_utf8 are the caller's
};

/// Inputs as ids, packed end to end, the longest first. Inputs that cannot be encoded are left out
/// and listed in `errors`.
struct TextBatch {
  std::vector<std::int32_t> tokens, positions, types;  // types: empty where all are 0
  std::vector<std::int64_t> starts{0};
  std::vector<std::int64_t> rows;  // the input that each sequence is
  std::vector<RowError> errors;

  Batch batch() const { return {tokens, positions, types, starts}; }
};

/// Tokenises all inputs on all threads. The order of the sequences depends on the inputs alone.
TextBatch make_text_batch(const tokenizer::Tokenizer& tokenizer, Threads& threads,
                          std::span<const TextInput> inputs, const TextBatchOptions& options);

}  // namespace linnet
