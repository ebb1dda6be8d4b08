#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/encoding.h"
#include "tokenizer/options.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/token_sink.h"
#include "tokenizer/truncation.h"

namespace linnet::tokenizer {

/// How the tokens of one text or a pair become an encoding.
struct Plan {
  /// Throws TokenizerError (kMaxLengthMissing, kMaxLengthBelowAddedTokens). Both must outlive it.
  Plan(const PostProcessor& post_processor, const EncodeOptions& encode_options, Texts which);

  const std::vector<TemplatePiece>& pieces;
  const EncodeOptions& options;
  Texts texts;
  std::int64_t room;  ///< tokens that the texts may have together
};

/// Truncates, puts the specials around, and makes the windows of `overflow`: for each further
/// window of the first text all windows of the second, then the first window with the second's
/// further ones. Throws TokenizerError.
Encoding assemble(const Plan& plan, const Tokens& first, const Tokens& second);

/// The same for ids alone, without overflow: appends to `ids`, and the type ids to `type_ids`
/// unless it is null.
void assemble_ids(const Plan& plan, const Tokens& first, const Tokens& second,
                  std::vector<std::int32_t>& ids, std::vector<std::int32_t>* type_ids);

}  // namespace linnet::tokenizer
