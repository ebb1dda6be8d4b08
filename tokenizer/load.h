#pragma once

#include <string_view>

#include "tokenizer/parts.h"
#include "tokenizer/tokenizer.h"
#include "weights/base/json.h"

// Files to a Description. All throw Error (kFormat, kUnsupported, kLimit).
namespace linnet::tokenizer {

/// What Tokenizer::from_files reads.
Description load_files(const Tokenizer::ReadFile& read, const LoadOptions& options);
/// tokenizer.json alone.
Description load_json(std::string_view text, const LoadOptions& options);
/// vocab.txt alone: an uncased BERT.
Description load_vocab(std::string_view text, const LoadOptions& options);

/// GPT-2 or RoBERTa from the texts of vocab.json and merges.txt, before any side file.
Description describe_byte_level(std::string_view vocab_json, std::string_view merges_txt,
                                const LoadOptions& options);
/// Roles that no side file names go to the tokens with the usual names of the family.
void finish_byte_level(const LoadOptions& options, Description& d);

/// The tokens of vocab.txt: one a line, the id is the number of the line from 0. Only "\n" and
/// "\r\n" end a line; white space at its end is dropped.
Vocabulary parse_vocab_txt(std::string_view text, const LoadOptions& options);

/// <s> A </s> and <s> A </s> </s> B </s>, all of type 0.
PostProcessor roberta_template(const TemplatePiece& cls, const TemplatePiece& sep);

/// [CLS] A [SEP] and [CLS] A [SEP] B [SEP], with type 1 from B on.
PostProcessor bert_template(const TemplatePiece& cls, const TemplatePiece& sep);

/// The side files, as far as they are there.
struct SideFiles {
  std::optional<json::Document> tokenizer_config;
  std::optional<json::Document> special_tokens_map;
  std::optional<json::Document> added_tokens;
};

/// tokenizer_config.json overrides the casing of the normalizer and says what the facts are; all
/// side files may name added and special tokens.
void apply_side_files(const SideFiles& side, const LoadOptions& options, Description& d);

/// The components of tokenizer.json that are not null.
BertNormalizer read_normalizer(json::Value value);
/// Fills pre_tokenizer or byte_level.
void read_pre_tokenizer(json::Value value, Description& d);
PostProcessor read_post_processor(json::Value value, const Description& d);
Decoder read_decoder(json::Value value);
EncodeOptions read_truncation(json::Value value);
Padding read_padding(json::Value value);

/// An id of a vocabulary. Throws kLimit beyond kMaxId.
std::int32_t read_id(json::Value value);
/// An object of tokens and their ids.
void read_vocabulary(json::Value vocab, const LoadOptions& options, Vocabulary& vocabulary);
/// The model of tokenizer.json: vocabulary and settings.
void read_model(json::Value model, const LoadOptions& options, Description& d);

/// Adds a token that is matched as a whole. Its id must be the one that it has in the vocabulary,
/// or the next free one; a lenient load gives it that id. Known contents are left alone.
void add_token(AddedToken token, const LoadOptions& options, Description& d);
/// Ids of the tokens with the usual names of the family, as far as they exist and have no id yet.
void find_special_ids(Description& d);

/// The id of a token, added or of the vocabulary.
std::optional<std::int32_t> id_of(const Description& d, std::string_view token);
/// The token of an id that has one.
std::string token_of(const Description& d, std::int32_t id);
/// The id that a token gets that is new to the vocabulary.
std::int32_t next_added_id(const Description& d);

}  // namespace linnet::tokenizer
