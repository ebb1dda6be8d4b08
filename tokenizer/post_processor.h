#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/trim_offsets.h"
#include "tokenizer/truncation.h"

namespace linnet::tokenizer {

/// One place of a template: a text, or special tokens.
struct TemplatePiece {
  enum class Kind { kFirst, kSecond, kSpecial };
  Kind kind = Kind::kFirst;
  std::int32_t type_id = 0;
  std::vector<std::int32_t> ids;    ///< of kSpecial
  std::vector<std::string> tokens;  ///< of kSpecial: their spelling
};

/// How the specials stand around one text and around a pair. Every post-processor comes down to two
/// such lists. The defaults are those of no post-processor at all.
struct PostProcessor {
  std::vector<TemplatePiece> single{{TemplatePiece::Kind::kFirst, 0, {}, {}}};
  std::vector<TemplatePiece> pair{{TemplatePiece::Kind::kFirst, 0, {}, {}},
                                  {TemplatePiece::Kind::kSecond, 1, {}, {}}};

  std::optional<TrimOffsets> trim{};  ///< of byte-level tokens

  const std::vector<TemplatePiece>& pieces(Texts texts) const {
    return texts == Texts::kOne ? single : pair;
  }
  /// Special tokens it inserts.
  std::int64_t added(Texts texts) const;
};

}  // namespace linnet::tokenizer
