// tokenizer_config.json, special_tokens_map.json and added_tokens.json.
#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "tokenizer/load.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tokenizer {
namespace {

using json::Member;
using json::Value;

constexpr double kNoMaxLength = 1e9;  // transformers writes 1e30 for "none"

void read_facts(Value config, Facts& facts) {
  const auto side = [&](const char* key, Side& out) {
    const auto value = config.find_non_null(key);
    if (!value) return;
    if (value->string() != "left" && value->string() != "right") {
      value->fail("found " + quote(value->string()) + ", expected left or right");
    }
    out = value->string() == "left" ? Side::kLeft : Side::kRight;
  };
  side("padding_side", facts.padding_side);
  side("truncation_side", facts.truncation_side);
  if (const auto clean = config.find_non_null("clean_up_tokenization_spaces")) {
    facts.clean_up_tokenization_spaces = clean->boolean();
  }
  if (const auto length = config.find_non_null("model_max_length")) {
    if (!(length->number() >= 0)) length->fail("found a negative length");
    if (length->number() < kNoMaxLength) facts.model_max_length = length->integer();
  }
}

void override_normalizer(Value config, BertNormalizer& normalizer) {
  if (const auto lower = config.find_non_null("do_lower_case")) {
    const bool followed = normalizer.strip_accents == normalizer.lowercase;
    normalizer.lowercase = lower->boolean();
    if (followed) normalizer.strip_accents = normalizer.lowercase;
  }
  if (const auto strip = config.find("strip_accents")) {
    normalizer.strip_accents = strip->is_null() ? normalizer.lowercase : strip->boolean();
  }
  if (const auto chinese = config.find_non_null("tokenize_chinese_chars")) {
    normalizer.handle_chinese_chars = chinese->boolean();
  }
}

bool flag(Value token, const char* key, bool otherwise) {
  const auto value = token.find(key);
  return value ? value->boolean() : otherwise;
}

// As transformers does for GPT-2, and for RoBERTa, whose post-processor has to agree.
void override_prefix_space(Value config, Description& d) {
  const auto prefix = config.find_non_null("add_prefix_space");
  if (!prefix || !d.bpe.byte_level) return;
  d.byte_level.add_prefix_space = prefix->boolean();
  if (d.post_processor.trim && d.post_processor.added(Texts::kOne) > 0) {
    d.post_processor.trim->add_prefix_space = prefix->boolean();
  }
}

// A token with its flags, as transformers writes it.
AddedToken read_token(Value value, std::int32_t id, bool special) {
  AddedToken token;
  token.id = id;
  token.content = value.at("content").string();
  token.single_word = flag(value, "single_word", false);
  token.lstrip = flag(value, "lstrip", false);
  token.rstrip = flag(value, "rstrip", false);
  token.special = flag(value, "special", special);
  token.normalized = flag(value, "normalized", !token.special);
  return token;
}

std::int32_t read_decimal(std::string_view key, Value where) {
  std::int32_t id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc{} || end != key.data() + key.size() || id < 0 || id > kMaxId) {
    where.fail("found the key " + quote(key) + ", expected an id");
  }
  return id;
}

// Tokens with ids from added_tokens_decoder and added_tokens.json, in the order of their ids.
void add_listed_tokens(const SideFiles& side, const std::vector<std::string>& special_names,
                       const LoadOptions& options, Description& d) {
  std::vector<AddedToken> tokens;
  if (side.tokenizer_config) {
    if (const auto list = side.tokenizer_config->root().find_non_null("added_tokens_decoder")) {
      for (const Member m : list->members()) {
        tokens.push_back(read_token(m.value, read_decimal(m.key, m.value), false));
      }
    }
  }
  if (side.added_tokens) {
    for (const Member m : side.added_tokens->root().members()) {
      AddedToken token;
      token.id = static_cast<std::int32_t>(m.value.integer(0, kMaxId));
      token.content = m.key;
      token.special =
          std::find(special_names.begin(), special_names.end(), m.key) != special_names.end();
      token.normalized = !token.special;
      tokens.push_back(std::move(token));
    }
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (AddedToken& token : tokens) add_token(std::move(token), options, d);
}

// The content of "[CLS]" or {"content": "[CLS]", …}.
std::string content_of(Value value) {
  return std::string(value.kind() == json::Kind::kString ? value.string()
                                                         : value.at("content").string());
}

struct Role {
  const char* key;
  std::optional<std::int32_t> SpecialIds::*id;
};
constexpr std::array<Role, 7> kRoles{{{"unk_token", &SpecialIds::unk},
                                      {"cls_token", &SpecialIds::cls},
                                      {"sep_token", &SpecialIds::sep},
                                      {"pad_token", &SpecialIds::pad},
                                      {"mask_token", &SpecialIds::mask},
                                      {"bos_token", &SpecialIds::bos},
                                      {"eos_token", &SpecialIds::eos}}};

// The side files that name special tokens; the first one that names a role counts.
std::vector<Value> naming_files(const SideFiles& side) {
  std::vector<Value> files;
  if (side.tokenizer_config) files.push_back(side.tokenizer_config->root());
  if (side.special_tokens_map) files.push_back(side.special_tokens_map->root());
  return files;
}

// A special token that a side file names: matched as a whole, with the id it has in the vocabulary.
void add_special(Value value, const LoadOptions& options, Description& d) {
  AddedToken token;
  if (value.kind() == json::Kind::kObject) {
    token = read_token(value, 0, true);
  } else {
    token.content = value.string();
  }
  token.special = true;
  if (id_of(d, token.content)) {
    token.id = *id_of(d, token.content);
  } else if (options.lenient) {
    token.id = next_added_id(d);
  } else {
    value.fail("the special token " + quote(token.content) + " is not in the vocabulary");
  }
  add_token(std::move(token), options, d);
}

}  // namespace

void apply_side_files(const SideFiles& side, const LoadOptions& options, Description& d) {
  if (side.tokenizer_config) {
    read_facts(side.tokenizer_config->root(), d.facts);
    if (d.family == Description::Family::kWordPiece) {
      override_normalizer(side.tokenizer_config->root(), d.normalizer);
    }
    override_prefix_space(side.tokenizer_config->root(), d);
    d.facts.lowercase = d.normalizer.lowercase;
  }
  std::vector<std::pair<Value, std::optional<std::int32_t> SpecialIds::*>> named;
  for (const Role& role : kRoles) {
    for (const Value file : naming_files(side)) {
      if (const auto value = file.find_non_null(role.key)) {
        named.emplace_back(*value, role.id);
        break;
      }
    }
  }
  for (const Value file : naming_files(side)) {
    if (const auto list = file.find_non_null("additional_special_tokens")) {
      for (const Value v : list->elements()) named.emplace_back(v, nullptr);
    }
  }
  std::vector<std::string> names;
  for (const auto& [value, role] : named) names.push_back(content_of(value));
  add_listed_tokens(side, names, options, d);
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (names[i].empty()) continue;
    add_special(named[i].first, options, d);
    if (named[i].second != nullptr) d.special_ids.*named[i].second = id_of(d, names[i]);
  }
}

}  // namespace linnet::tokenizer
