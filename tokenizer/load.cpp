// Which files make a tokenizer, and what they add up to.
#include "tokenizer/load.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tokenizer {
namespace {

// The settings of BERT's own code around a vocabulary, before any side file.
Description describe_vocab(Vocabulary vocabulary) {
  Description d;
  d.vocabulary = std::move(vocabulary);
  d.facts.model = "WordPiece";
  d.facts.lowercase = true;
  d.normalizer = {true, true, true, true};
  d.pre_tokenizer = BertScanner::PreTokenizer::kBert;
  d.decoder.kind = Decoder::Kind::kWordPiece;
  return d;
}

TemplatePiece special(const Description& d, std::optional<std::int32_t> id, const char* role) {
  if (!id)
    throw Error(ErrorCode::kFormat, std::string("vocabulary: the ") + role + " token is missing");
  return {TemplatePiece::Kind::kSpecial, 0, {*id}, {token_of(d, *id)}};
}

// Roles that no side file names go to the tokens with the usual names; then the template is known.
void finish_vocab(const LoadOptions& options, Description& d) {
  find_special_ids(d);
  for (const auto& id : {d.special_ids.unk, d.special_ids.sep, d.special_ids.pad, d.special_ids.cls,
                         d.special_ids.mask}) {
    if (!id) continue;
    AddedToken token;
    token.id = *id;
    token.content = token_of(d, *id);
    token.special = true;
    add_token(std::move(token), options, d);
  }
  if (d.special_ids.unk) d.word_piece.unk_token = token_of(d, *d.special_ids.unk);
  d.post_processor =
      bert_template(special(d, d.special_ids.cls, "[CLS]"), special(d, d.special_ids.sep, "[SEP]"));
}

std::optional<json::Document> read_json(const Tokenizer::ReadFile& read, const char* name) {
  const std::optional<std::string> text = read(name);
  if (!text) return std::nullopt;
  return json::parse(*text, name, json::kConfigBytes);
}

// A file of a directory, or nothing if it is not there.
std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return std::nullopt;
  const auto bytes = std::filesystem::file_size(path, error);
  if (error || !std::filesystem::is_regular_file(status)) {
    throw Error(ErrorCode::kIo, path.string() + ": not a readable file");
  }
  if (bytes > static_cast<std::uintmax_t>(json::kTokenizerBytes)) {
    throw Error(ErrorCode::kLimit, path.string() + ": has " + std::to_string(bytes) +
                                       " bytes, expected at most " +
                                       std::to_string(json::kTokenizerBytes));
  }
  std::string text(static_cast<std::size_t>(bytes), '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    throw Error(ErrorCode::kIo, path.string() + ": cannot be read");
  }
  return text;
}

}  // namespace

std::optional<std::int32_t> id_of(const Description& d, std::string_view token) {
  const std::int32_t index = d.added_index.get(token);
  if (index != Trie::kNoValue) return d.added[static_cast<std::size_t>(index)].id;
  return d.vocabulary.id(token);
}

std::string token_of(const Description& d, std::int32_t id) {
  const auto added = std::find_if(d.added.begin(), d.added.end(),
                                  [&](const AddedToken& token) { return token.id == id; });
  return added != d.added.end() ? added->content : std::string(d.vocabulary.token(id).value());
}

std::int32_t next_added_id(const Description& d) {
  std::int64_t next = d.vocabulary.size();
  if (d.largest_added_id >= next) next = d.largest_added_id + 1;
  if (next > kMaxId) throw Error(ErrorCode::kLimit, "added_tokens: too many tokens");
  return static_cast<std::int32_t>(next);
}

void add_token(AddedToken token, const LoadOptions& options, Description& d) {
  if (token.content.empty() || d.added_index.get(token.content) != Trie::kNoValue) return;
  const std::int32_t id = d.vocabulary.id(token.content).value_or(next_added_id(d));
  if (token.id != id && !options.lenient) {
    throw Error(ErrorCode::kFormat, "added_tokens: " + quote(token.content) + " has the id " +
                                        std::to_string(token.id) + ", expected " +
                                        std::to_string(id));
  }
  if (!d.vocabulary.id(token.content) && d.vocabulary.token(id) && !options.lenient) {
    throw Error(ErrorCode::kFormat, "added_tokens: " + quote(token.content) + " has the id " +
                                        std::to_string(id) + " of another token");
  }
  token.id = id;
  d.largest_added_id = std::max<std::int64_t>(d.largest_added_id, id);
  d.added_index.insert(token.content, static_cast<std::int32_t>(d.added.size()));
  d.added.push_back(std::move(token));
}

void find_special_ids(Description& d) {
  const auto find = [&](std::optional<std::int32_t>& id, std::string_view token) {
    if (!id) id = id_of(d, token);
  };
  if (d.family == Description::Family::kBpe) {
    if (!d.bpe.unk_token.empty()) find(d.special_ids.unk, d.bpe.unk_token);
    // RoBERTa's names, then GPT-2's one token for everything.
    find(d.special_ids.cls, "<s>");
    find(d.special_ids.sep, "</s>");
    find(d.special_ids.bos, "<s>");
    find(d.special_ids.eos, "</s>");
    find(d.special_ids.unk, "<unk>");
    find(d.special_ids.pad, "<pad>");
    find(d.special_ids.mask, "<mask>");
    for (auto* id : {&d.special_ids.bos, &d.special_ids.eos, &d.special_ids.unk}) {
      find(*id, "<|endoftext|>");
    }
    return;
  }
  find(d.special_ids.unk, d.word_piece.unk_token);
  find(d.special_ids.cls, "[CLS]");
  find(d.special_ids.sep, "[SEP]");
  find(d.special_ids.pad, "[PAD]");
  find(d.special_ids.mask, "[MASK]");
}

Description load_vocab(std::string_view text, const LoadOptions& options) {
  Description d = describe_vocab(parse_vocab_txt(text, options));
  finish_vocab(options, d);
  return d;
}

Description load_files(const Tokenizer::ReadFile& read, const LoadOptions& options) {
  const SideFiles side{read_json(read, "tokenizer_config.json"),
                       read_json(read, "special_tokens_map.json"),
                       read_json(read, "added_tokens.json")};
  if (const std::optional<std::string> text = read("tokenizer.json")) {
    Description d = load_json(*text, options);
    apply_side_files(side, options, d);
    return d;
  }
  const std::optional<std::string> merges = read("merges.txt");
  if (const std::optional<std::string> vocab = read("vocab.json"); vocab && merges) {
    Description d = describe_byte_level(*vocab, *merges, options);
    apply_side_files(side, options, d);
    finish_byte_level(options, d);
    return d;
  }
  const std::optional<std::string> text = read("vocab.txt");
  if (!text) {
    throw Error(ErrorCode::kIo,
                "tokenizer: found neither tokenizer.json, nor vocab.json with merges.txt, nor "
                "vocab.txt");
  }
  Description d = describe_vocab(parse_vocab_txt(*text, options));
  apply_side_files(side, options, d);
  finish_vocab(options, d);
  return d;
}

Tokenizer Tokenizer::from_directory(const std::filesystem::path& directory,
                                    const LoadOptions& options) {
  return from_files([&](std::string_view name) { return read_file(directory / name); }, options);
}

}  // namespace linnet::tokenizer
