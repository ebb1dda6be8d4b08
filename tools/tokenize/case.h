#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "weights/base/json.h"
#include "weights/base/json_writer.h"

// The records that `linnet tokenize` reads and writes as JSON: the format in which the outputs of
// other tokenizers are recorded, so that files of such records can be answered and compared.
namespace linnet::tools {

/// The settings of a record, named as transformers names the arguments of a tokenizer.
struct CaseOptions {
  tokenizer::EncodeOptions encode;
  std::optional<tokenizer::Padding> padding;
};

/// A text or a pair, or a batch of them.
struct TokenizerCase {
  std::vector<std::string> texts;
  std::vector<std::string> pairs;  // empty, or one for each text
  bool batch = false;              // given as `texts`: answered with `rows`
  bool raw = false;                // given as `text_b64`: offsets_raw are answered too
  CaseOptions options;
};

/// Reads `text` or `text_b64` or `text_gen`, `pair`; `texts`, `pairs`; and `opt`, whose keys go
/// over the options in `defaults`. Other keys are left alone. Throws kFormat for what cannot be
/// understood.
TokenizerCase read_case(json::Value record, const CaseOptions& defaults,
                        const tokenizer::Tokenizer& tokenizer);

/// Adds the answer to an object that is open: ids, tokens, type_ids, attention_mask,
/// special_tokens_mask, offsets, offsets_bytes, word_ids, sequence_ids; or `rows` of those, with
/// overflow_to_sample_mapping where windows were asked for. Throws TokenizerError, before anything
/// is written.
void answer_case(json::Writer& out, const TokenizerCase& c, const tokenizer::Tokenizer& tokenizer,
                 tokenizer::Scratch& scratch);

/// Bytes of standard base64; throws kFormat.
std::string from_base64(std::string_view text);

}  // namespace linnet::tools
