#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/encoding.h"
#include "tokenizer/error.h"
#include "tokenizer/options.h"

namespace linnet::tokenizer {

/// Working memory of encode. One thread uses it at a time; it may serve any tokenizer. Results
/// never depend on what it was used for before.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(Scratch&&) noexcept;
  Scratch& operator=(Scratch&&) noexcept;

  struct Buffers;
  Buffers& buffers() { return *buffers_; }

 private:
  std::unique_ptr<Buffers> buffers_;
};

/// Ids of the tokens that have a role; absent where the tokenizer names none.
struct SpecialIds {
  std::optional<std::int32_t> unk, cls, sep, pad, mask, bos, eos;
};

/// What the files say besides the encoding itself: recorded, never applied by encode.
struct Facts {
  std::string model;                             ///< "WordPiece" or "BPE"
  bool lowercase = false;                        ///< the normalizer maps to lower case
  std::optional<std::int64_t> model_max_length;  ///< absent when 1e9 or more ("none")
  Side padding_side = Side::kRight;
  Side truncation_side = Side::kRight;
  std::optional<bool> clean_up_tokenization_spaces;  ///< tokenizer_config.json
  std::optional<EncodeOptions> truncation;           ///< baked into tokenizer.json
  std::optional<Padding> padding;                    ///< baked into tokenizer.json
};

/// A token that was added to the model's vocabulary, or taken out of it to be matched as a whole.
struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool single_word = false;  ///< only where no word character stands beside it
  bool lstrip = false;       ///< takes the white space before it in
  bool rstrip = false;       ///< takes the white space behind it in
  bool normalized = false;   ///< matched after normalization, else on the text itself
  bool special = false;      ///< parse_special and skip_special_tokens apply to it
};

/// Text to ids and back. Immutable: any number of threads may share one, each with a Scratch.
/// Loading throws Error (kIo, kFormat, kUnsupported, kLimit), the other members TokenizerError.
class Tokenizer {
 public:
  /// Gives the content of a file of the model directory by its bare name, or nothing if there is
  /// no such file. May throw.
  using ReadFile = std::function<std::optional<std::string>(std::string_view name)>;

  /// Reads tokenizer.json, else vocab.json with merges.txt, else vocab.txt, and the side files that
  /// are there: tokenizer_config.json, special_tokens_map.json, added_tokens.json.
  static Tokenizer from_directory(const std::filesystem::path& directory,
                                  const LoadOptions& options = {});
  /// The same through a function of the caller's.
  static Tokenizer from_files(const ReadFile& read, const LoadOptions& options = {});
  /// From the text of tokenizer.json alone.
  static Tokenizer from_json(std::string_view tokenizer_json, const LoadOptions& options = {});
  /// From the texts of vocab.json and merges.txt alone: GPT-2, or RoBERTa if it has <s> and </s>.
  static Tokenizer from_vocab_and_merges(std::string_view vocab_json, std::string_view merges_txt,
                                         const LoadOptions& options = {});
  /// From the text of vocab.txt alone, with the defaults of an uncased BERT.
  static Tokenizer from_vocab(std::string_view vocab_txt, const LoadOptions& options = {});

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Everything about one text, or a pair. Windows beyond the first are in `overflow`.
  Encoding encode(std::string_view text, const EncodeOptions& options, Scratch& scratch) const;
  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
  Encoding encode_pair(std::string_view first, std::string_view second,
                       const EncodeOptions& options, Scratch& scratch) const;
  Encoding encode_pair(std::string_view first, std::string_view second,
                       const EncodeOptions& options = {}) const;

  /// Appends to `ids` what encode(text, options).ids has, and returns how many: the fast path.
  /// Overflow is not made.
  std::int64_t encode_ids(std::string_view text, const EncodeOptions& options, Scratch& scratch,
                          std::vector<std::int32_t>& ids) const;
  /// The same for a pair, with the type ids.
  std::int64_t encode_pair_ids(std::string_view first, std::string_view second,
                               const EncodeOptions& options, Scratch& scratch,
                               std::vector<std::int32_t>& ids,
                               std::vector<std::int32_t>& type_ids) const;

  /// Text of the ids.
  std::string decode(std::span<const std::int32_t> ids, const DecodeOptions& options = {}) const;

  /// Text of tokens, in the words of the vocabulary or others, as the decoder joins them.
  std::string join_tokens(std::span<const std::string> tokens) const;

  /// The id of a token of the vocabulary or of an added token.
  std::optional<std::int32_t> id(std::string_view token) const;
  /// The token of an id, if it has one. Points into the tokenizer.
  std::optional<std::string_view> token(std::int32_t id) const;
  /// Tokens, added ones included.
  std::int64_t vocab_size() const;
  /// 1 + the largest id: the rows an embedding needs.
  std::int64_t id_limit() const;
  /// Special tokens that encode inserts around one text, or around a pair.
  std::int64_t added_specials() const;
  std::int64_t added_specials_pair() const;
  const SpecialIds& special_ids() const;
  std::span<const AddedToken> added_tokens() const;
  /// True for ids that skip_special_tokens leaves out.
  bool is_special(std::int32_t id) const;
  const Facts& facts() const;

  struct Parts;

 private:
  friend class DecodeStream;
  explicit Tokenizer(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

/// Decodes one id after the other; the pieces, with that of finish, join to what decode gives for
/// all of them at once (Cleanup::kTransformers looks at the whole string, so it is refused here).
/// The tokenizer must outlive it.
class DecodeStream {
 public:
  explicit DecodeStream(const Tokenizer& tokenizer, const DecodeOptions& options = {});
  /// The text this id adds; empty when there is nothing to say yet: a character whose last bytes
  /// are still to come is held back.
  std::string step(std::int32_t id);
  /// What is held back, as U+FFFD; then a new text may begin.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  DecodeOptions options_;
  std::int64_t count_ = 0;
  bool first_ = true;
  std::string pending_;  // the bytes of an incomplete character
};

/// `text` with every maximal ill-formed subpart replaced by U+FFFD (EF BF BD).
std::string replace_invalid_utf8(std::string_view text);

}  // namespace linnet::tokenizer
