// Tokenizer::decode and DecodeStream: ids to text.
#include <utility>

#include "tokenizer/decoder.h"
#include "tokenizer/parts.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// The token of an id, or nothing if it is to be left out. `at`: its place, for the message.
std::optional<std::string_view> shown(const Tokenizer& tokenizer, std::int32_t id, std::int64_t at,
                                      const DecodeOptions& options) {
  const std::optional<std::string_view> token = tokenizer.token(id);
  if (!token && !options.lenient) {
    throw TokenizerError(Reason::kUnknownId,
                         "decode: id " + std::to_string(id) + " at index " + std::to_string(at) +
                             " is not in the vocabulary, whose ids are below " +
                             std::to_string(tokenizer.id_limit()),
                         at);
  }
  if (token && options.skip_special_tokens && tokenizer.is_special(id)) return std::nullopt;
  return token;
}

}  // namespace

std::string Tokenizer::decode(std::span<const std::int32_t> ids,
                              const DecodeOptions& options) const {
  std::string text;
  bool first = true;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto token = shown(*this, ids[i], static_cast<std::int64_t>(i), options);
    if (!token) continue;
    text += parts_->d.decoder.piece(*token, first, options.cleanup);
    first = false;
  }
  if (parts_->d.decoder.kind == Decoder::Kind::kByteLevel) text = utf8::replace_invalid(text);
  return options.cleanup == Cleanup::kTransformers ? clean_up(std::move(text)) : text;
}

std::string Tokenizer::join_tokens(std::span<const std::string> tokens) const {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    text += parts_->d.decoder.piece(tokens[i], i == 0, Cleanup::kTokenizers);
  }
  return text;
}

DecodeStream::DecodeStream(const Tokenizer& tokenizer, const DecodeOptions& options)
    : tokenizer_(&tokenizer), options_(options) {
  if (options.cleanup == Cleanup::kTransformers) {
    throw Error(ErrorCode::kInvalidArgument,
                "decode: the transformers clean-up needs the whole text, it cannot be streamed");
  }
}

std::string DecodeStream::step(std::int32_t id) {
  const auto token = shown(*tokenizer_, id, count_++, options_);
  if (!token) return {};
  std::string text = tokenizer_->parts_->d.decoder.piece(*token, first_, options_.cleanup);
  first_ = false;
  if (tokenizer_->parts_->d.decoder.kind != Decoder::Kind::kByteLevel) return text;
  pending_ += text;
  // As in the reference all waits for a character that is complete, and sound.
  std::string known = utf8::replace_invalid(pending_);
  if (known.ends_with(kReplacement)) return {};
  pending_.clear();
  return known;
}

std::string DecodeStream::finish() {
  first_ = true;
  return utf8::replace_invalid(std::exchange(pending_, std::string()));
}

}  // namespace linnet::tokenizer
