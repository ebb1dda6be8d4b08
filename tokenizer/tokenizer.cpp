#include "tokenizer/tokenizer.h"

#include <limits>
#include <utility>

#include "tokenizer/assemble.h"
#include "tokenizer/load.h"
#include "tokenizer/parts.h"
#include "tokenizer/source_text.h"
#include "tokenizer/trim_offsets.h"

namespace linnet::tokenizer {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

void tokenize(const Tokenizer::Parts& parts, const SourceText& source, const EncodeOptions& options,
              Scratch::Buffers& buffers, Tokens& tokens) {
  tokens.clear();
  TokenSink sink(tokens, parts.d.vocabulary,
                 {.texts = options.tokens, .blanks = parts.d.post_processor.trim.has_value()});
  parts.tokenize(source.text(), options.parse_special, buffers, sink);
  if (parts.d.post_processor.trim) {
    trim_offsets(*parts.d.post_processor.trim, source.text(), tokens);
    source.to_unit(tokens.first_spans, options.offsets);
  }
  source.to_unit(tokens.spans, options.offsets);
}

void tokenize_ids(const Tokenizer::Parts& parts, std::string_view text,
                  const EncodeOptions& options, Scratch::Buffers& buffers, IdSink sink) {
  const SourceText source(text, options.invalid_utf8);
  parts.tokenize(source.text(), options.parse_special, buffers, sink);
}

// Empties `tokens` for up to about `limit` ids.
IdSink id_sink(Tokens& tokens, std::size_t limit) {
  tokens.clear();
  return {tokens.ids, limit};
}

}  // namespace

Scratch::Scratch() : buffers_(std::make_unique<Buffers>()) {}
Scratch::~Scratch() = default;
Scratch::Scratch(Scratch&&) noexcept = default;
Scratch& Scratch::operator=(Scratch&&) noexcept = default;

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::from_files(const ReadFile& read, const LoadOptions& options) {
  return Tokenizer(std::make_unique<const Parts>(load_files(read, options)));
}

Tokenizer Tokenizer::from_json(std::string_view tokenizer_json, const LoadOptions& options) {
  return Tokenizer(std::make_unique<const Parts>(load_json(tokenizer_json, options)));
}

Tokenizer Tokenizer::from_vocab(std::string_view vocab_txt, const LoadOptions& options) {
  return Tokenizer(std::make_unique<const Parts>(load_vocab(vocab_txt, options)));
}

Tokenizer Tokenizer::from_vocab_and_merges(std::string_view vocab_json, std::string_view merges_txt,
                                           const LoadOptions& options) {
  Description d = describe_byte_level(vocab_json, merges_txt, options);
  finish_byte_level(options, d);
  return Tokenizer(std::make_unique<const Parts>(std::move(d)));
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options,
                           Scratch& scratch) const {
  Scratch::Buffers& buffers = scratch.buffers();
  const Plan plan(parts_->d.post_processor, options, Texts::kOne);
  const SourceText source(text, options.invalid_utf8);
  tokenize(*parts_, source, options, buffers, buffers.first);
  return assemble(plan, buffers.first, Tokens{});
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  Scratch scratch;
  return encode(text, options, scratch);
}

Encoding Tokenizer::encode_pair(std::string_view first, std::string_view second,
                                const EncodeOptions& options, Scratch& scratch) const {
  Scratch::Buffers& buffers = scratch.buffers();
  const Plan plan(parts_->d.post_processor, options, Texts::kPair);
  const SourceText source_first(first, options.invalid_utf8);
  const SourceText source_second(second, options.invalid_utf8);
  tokenize(*parts_, source_first, options, buffers, buffers.first);
  tokenize(*parts_, source_second, options, buffers, buffers.second);
  return assemble(plan, buffers.first, buffers.second);
}

Encoding Tokenizer::encode_pair(std::string_view first, std::string_view second,
                                const EncodeOptions& options) const {
  Scratch scratch;
  return encode_pair(first, second, options, scratch);
}

std::int64_t Tokenizer::encode_ids(std::string_view text, const EncodeOptions& options,
                                   Scratch& scratch, std::vector<std::int32_t>& ids) const {
  Scratch::Buffers& buffers = scratch.buffers();
  const Plan plan(parts_->d.post_processor, options, Texts::kOne);
  // What lies behind a cut on the right is not needed; one token more tells that there is a cut.
  const std::size_t limit =
      options.truncation_side == Side::kRight ? static_cast<std::size_t>(plan.room) + 1 : kNoLimit;
  tokenize_ids(*parts_, text, options, buffers, id_sink(buffers.first, limit));
  const std::size_t before = ids.size();
  assemble_ids(plan, buffers.first, Tokens{}, ids, nullptr);
  return static_cast<std::int64_t>(ids.size() - before);
}

std::int64_t Tokenizer::encode_pair_ids(std::string_view first, std::string_view second,
                                        const EncodeOptions& options, Scratch& scratch,
                                        std::vector<std::int32_t>& ids,
                                        std::vector<std::int32_t>& type_ids) const {
  Scratch::Buffers& buffers = scratch.buffers();
  const Plan plan(parts_->d.post_processor, options, Texts::kPair);
  tokenize_ids(*parts_, first, options, buffers, id_sink(buffers.first, kNoLimit));
  tokenize_ids(*parts_, second, options, buffers, id_sink(buffers.second, kNoLimit));
  const std::size_t before = ids.size();
  assemble_ids(plan, buffers.first, buffers.second, ids, &type_ids);
  return static_cast<std::int64_t>(ids.size() - before);
}

std::optional<std::int32_t> Tokenizer::id(std::string_view token) const {
  return id_of(parts_->d, token);
}

std::optional<std::string_view> Tokenizer::token(std::int32_t id) const {
  if (const AddedToken* added = parts_->added(id)) return added->content;
  return parts_->d.vocabulary.token(id);
}

std::int64_t Tokenizer::vocab_size() const { return parts_->size; }
std::int64_t Tokenizer::id_limit() const { return parts_->id_limit; }
std::int64_t Tokenizer::added_specials() const {
  return parts_->d.post_processor.added(Texts::kOne);
}
std::int64_t Tokenizer::added_specials_pair() const {
  return parts_->d.post_processor.added(Texts::kPair);
}
const SpecialIds& Tokenizer::special_ids() const { return parts_->d.special_ids; }
std::span<const AddedToken> Tokenizer::added_tokens() const { return parts_->d.added; }
const Facts& Tokenizer::facts() const { return parts_->d.facts; }

bool Tokenizer::is_special(std::int32_t id) const {
  const AddedToken* added = parts_->added(id);
  return added != nullptr && added->special;
}

}  // namespace linnet::tokenizer
