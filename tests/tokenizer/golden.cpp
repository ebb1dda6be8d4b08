#include "tests/tokenizer/golden.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "tests/support/data.h"

namespace linnet::test {

using json::Value;
using tokenizer::Encoding;
using tokenizer::Span;
using tokenizer::Tokenizer;

std::filesystem::path tokenizer_goldens() { return data_dir() / "goldens/tokenizers"; }

std::string read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string parameter_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

Tokenizer golden_tokenizer(std::string_view name) {
  if (name == "tiny-roberta") {
    return Tokenizer::from_json(
        read_whole(tokenizer_goldens() / "models" / name / "tokenizer.json"));
  }
  const std::filesystem::path folder = data_dir() / "vocab" / name;
  if (name == "all-MiniLM-L6-v2")
    return Tokenizer::from_json(read_whole(folder / "tokenizer.json"));
  return Tokenizer::from_files([&](std::string_view file) -> std::optional<std::string> {
    if (file == (name == "gpt2" ? "vocab.json" : "vocab.txt")) return read_whole(folder / file);
    if (name == "gpt2" && file == "merges.txt") return read_whole(folder / file);
    if (name == "gpt2" && file == "tokenizer_config.json") {
      return R"({"pad_token": "<|endoftext|>"})";
    }
    if (file == "tokenizer_config.json" && name == "bert-base-cased") {
      return R"({"do_lower_case": false})";
    }
    return std::nullopt;
  });
}

namespace {

// A tokenizer.json with the components and the further added tokens of a variant.
std::string byte_level_variant(const std::filesystem::path& path, Value variant) {
  nlohmann::json file = nlohmann::json::parse(read_whole(path));
  file["truncation"] = nullptr;
  for (const char* component : {"pre_tokenizer", "post_processor"}) {
    const auto given = variant.find(component);
    if (!given) continue;
    file[component] = {{"type", "ByteLevel"}};
    for (const json::Member m : given->members()) {
      if (m.key != "type") file[component][std::string(m.key)] = m.value.boolean();
    }
  }
  const auto list = variant.find("added");
  if (!list) return file.dump();
  for (const Value v : list->elements()) {
    nlohmann::json token = {{"id", v.at("id").integer()},
                            {"content", std::string(v.at("content").string())}};
    for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized", "special"}) {
      token[flag] = v.at(flag).boolean();
    }
    file["added_tokens"].push_back(token);
  }
  return file.dump();
}

std::string word_piece_variant(std::string_view base, Value variant) {
  // Built as text: the vocabulary once a base, the settings once a variant.
  static std::map<std::string, std::string, std::less<>> vocabularies;
  std::string& vocabulary = vocabularies[std::string(base)];
  const std::string file = read_whole(data_dir() / "vocab" / base / "vocab.txt");
  const auto tokens = split_lines(file);
  if (vocabulary.empty()) {
    nlohmann::json vocab = nlohmann::json::object();
    for (std::size_t i = 0; i < tokens.size(); ++i) vocab[std::string(tokens[i])] = i;
    vocabulary = vocab.dump();
  }
  const auto id = [&](std::string_view token) {
    return std::find(tokens.begin(), tokens.end(), token) - tokens.begin();
  };
  const bool lowercase = base == "bert-base-uncased";
  nlohmann::json normalizer = {{"type", "BertNormalizer"},
                               {"clean_text", true},
                               {"handle_chinese_chars", true},
                               {"strip_accents", nullptr},
                               {"lowercase", lowercase}};
  if (const auto given = variant.find("normalizer")) {
    for (const json::Member m : given->members()) {
      normalizer[std::string(m.key)] =
          m.value.is_null() ? nlohmann::json() : nlohmann::json(m.value.boolean());
    }
  }
  nlohmann::json added = nlohmann::json::array();
  const auto add = [&](std::int64_t token_id, std::string_view content, auto flag) {
    added.push_back({{"id", token_id},
                     {"content", content},
                     {"single_word", flag("single_word", false)},
                     {"lstrip", flag("lstrip", false)},
                     {"rstrip", flag("rstrip", false)},
                     {"normalized", flag("normalized", false)},
                     {"special", flag("special", true)}});
  };
  for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
    add(id(token), token, [](const char*, bool otherwise) { return otherwise; });
  }
  if (const auto list = variant.find("added")) {
    for (const Value v : list->elements()) {
      add(v.at("id").integer(), v.at("content").string(),
          [&](const char* key, bool) { return v.at(key).boolean(); });
    }
  }
  const auto longest = variant.find("max_input_chars_per_word");
  std::ostringstream out;
  out << R"({"version":"1.0","added_tokens":)" << added.dump() << R"(,"normalizer":)"
      << normalizer.dump() << R"(,"pre_tokenizer":{"type":"BertPreTokenizer"},)"
      << R"("post_processor":{"type":"BertProcessing","sep":["[SEP]",)" << id("[SEP]")
      << R"(],"cls":["[CLS]",)" << id("[CLS]") << R"(]},)"
      << R"("decoder":{"type":"WordPiece","prefix":"##","cleanup":true},)"
      << R"("model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",)"
      << R"("max_input_chars_per_word":)" << (longest ? longest->integer() : 100) << R"(,"vocab":)"
      << vocabulary << "}}";
  return out.str();
}

}  // namespace

std::string variant_json(std::string_view base, Value variant) {
  if (base == "gpt2") return byte_level_variant(data_dir() / "vocab/gpt2/tokenizer.json", variant);
  if (base == "tiny-roberta") {
    return byte_level_variant(tokenizer_goldens() / "models/tiny-roberta/tokenizer.json", variant);
  }
  return word_piece_variant(base, variant);
}

RecordOptions record_options(Value record, const Tokenizer& t) {
  using tokenizer::Padding;
  using tokenizer::Side;
  using tokenizer::Truncation;
  RecordOptions out;
  out.encode.tokens = true;
  const auto opt = record.find("opt");
  if (!opt) return out;
  for (const json::Member m : opt->members()) {
    const Value v = m.value;
    const auto is = [&](std::string_view text) { return v.string() == text; };
    if (m.key == "add_special_tokens") {
      out.encode.add_special_tokens = v.boolean();
    } else if (m.key == "split_special_tokens") {
      out.encode.parse_special = !v.boolean();
    } else if (m.key == "truncation") {
      out.encode.truncation = is("longest_first") ? Truncation::kLongestFirst
                              : is("only_first")  ? Truncation::kOnlyFirst
                              : is("only_second") ? Truncation::kOnlySecond
                                                  : Truncation::kNone;
    } else if (m.key == "max_length") {
      out.encode.max_length = v.integer();
    } else if (m.key == "truncation_side") {
      out.encode.truncation_side = is("left") ? Side::kLeft : Side::kRight;
    } else if (m.key == "stride") {
      out.encode.stride = v.integer();
    } else if (m.key == "return_overflowing_tokens") {
      out.encode.return_overflow = v.boolean();
    } else if (m.key == "padding") {
      if (!out.padding) out.padding.emplace();
      out.padding->to = is("max_length") ? Padding::To::kFixed : Padding::To::kLongest;
    } else if (m.key == "pad_to_multiple_of") {
      if (!out.padding) out.padding.emplace();
      out.padding->multiple_of = v.integer();
    } else if (m.key == "padding_side") {
      if (!out.padding) out.padding.emplace();
      out.padding->side = is("left") ? Side::kLeft : Side::kRight;
    } else {
      throw std::runtime_error("unknown option " + std::string(m.key));
    }
  }
  if (out.padding) {
    out.padding->length = out.encode.max_length.value_or(0);
    out.padding->pad_id = t.special_ids().pad.value();
    out.padding->pad_token = t.token(out.padding->pad_id).value();
  }
  return out;
}

std::string record_text(Value record) {
  if (const auto b64 = record.find("text_b64")) return from_base64(b64->string());
  if (const auto gen = record.find("text_gen")) {
    std::string text(gen->at("prefix").string());
    for (std::int64_t i = 0; i < gen->at("count").integer(); ++i) text += gen->at("unit").string();
    return text += gen->at("suffix").string();
  }
  return std::string(record.at("text").string());
}

namespace {

template <class T>
std::string show(const std::vector<T>& values) {
  std::ostringstream out;
  for (const T& v : values) out << ' ' << v;
  return out.str();
}

template <class T>
std::string compare(const char* what, const std::vector<T>& got, const std::vector<T>& want) {
  if (got == want) return {};
  return std::string(what) + "\n  got " + show(got) + "\n  want" + show(want) + "\n";
}

std::vector<std::int64_t> numbers(Value list) {
  std::vector<std::int64_t> out;
  for (const Value v : list.elements()) out.push_back(v.integer());
  return out;
}

// "0110", or `otherwise` for every token.
std::vector<std::int64_t> digits(Value row, const char* key, std::size_t n,
                                 std::int64_t otherwise) {
  const auto text = row.find(key);
  if (!text) return std::vector<std::int64_t>(n, otherwise);
  std::vector<std::int64_t> out;
  for (const char c : text->string()) out.push_back(c == '-' ? -1 : c - '0');
  return out;
}

std::vector<std::int64_t> flat(const std::vector<Span>& spans) {
  std::vector<std::int64_t> out;
  for (const Span& s : spans) out.insert(out.end(), {s.begin, s.end});
  return out;
}

template <class T>
std::vector<std::int64_t> widen(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

// Offsets in characters, each in its own text.
std::vector<Span> in_chars(const Encoding& e, std::string_view first, const std::string* second) {
  std::vector<Span> out(e.offsets.size());
  for (const int sequence : {0, 1}) {
    if (sequence == 1 && second == nullptr) continue;
    std::vector<Span> own;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (e.sequence_ids[i] == sequence) own.push_back(e.offsets[i]);
    }
    own = convert_offsets(sequence == 0 ? first : std::string_view(*second), own,
                          tokenizer::OffsetUnit::kChars);
    std::size_t next = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (e.sequence_ids[i] == sequence) out[i] = own[next++];
    }
  }
  return out;
}

}  // namespace

std::string difference(Value row, const Encoding& e, const Tokenizer& t, std::string_view first,
                       const std::string* second) {
  const std::size_t n = e.ids.size();
  std::string out = compare("ids", widen(e.ids), numbers(row.at("ids")));
  if (!out.empty()) return out;
  std::vector<std::string> tokens;
  if (const auto list = row.find("tokens")) {
    for (const Value v : list->elements()) tokens.emplace_back(v.string());
  } else {
    for (const std::int32_t id : e.ids) tokens.emplace_back(t.token(id).value());
  }
  out += compare("tokens", e.tokens, tokens);
  out += compare("type_ids", widen(e.type_ids), digits(row, "type_ids", n, 0));
  out += compare("attention_mask", widen(e.attention_mask), digits(row, "attention_mask", n, 1));
  out += compare("special_tokens_mask", widen(e.special_tokens_mask),
                 digits(row, "special_tokens_mask", n, 0));
  out += compare("offsets", flat(in_chars(e, first, second)), numbers(row.at("offsets")));
  out += compare("offsets_bytes", flat(e.offsets),
                 numbers(row.find("offsets_bytes") ? row.at("offsets_bytes") : row.at("offsets")));
  out += compare("word_ids", widen(e.word_ids), numbers(row.at("word_ids")));
  if (row.find("sequence_ids")) {
    out += compare("sequence_ids", widen(e.sequence_ids), digits(row, "sequence_ids", n, 0));
  }
  return out;
}

std::string from_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count));
    }
  }
  return out;
}

}  // namespace linnet::test
