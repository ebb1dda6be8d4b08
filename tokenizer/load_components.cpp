// The small components of tokenizer.json: normalizer, pre-tokenizer, post-processor, decoder,
// truncation and padding.
#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "tokenizer/load.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tokenizer {
namespace {

using json::Value;

// Refuses a type: known to the reference but not to us, or to nobody.
[[noreturn]] void refuse_type(Value component, std::span<const std::string_view> known) {
  const Value type = component.at("type");
  if (std::find(known.begin(), known.end(), type.string()) == known.end()) {
    type.fail("found the unknown type " + quote(type.string()));
  }
  throw Error(ErrorCode::kUnsupported, "tokenizer.json: a component of the type " +
                                           quote(type.string()) + " is not supported");
}

bool has_type(Value component, std::string_view type) {
  return component.at("type").string() == type;
}

std::int32_t type_id(Value value) {
  return static_cast<std::int32_t>(value.integer(0, std::numeric_limits<std::int32_t>::max()));
}

// An id of an inserted token: one that the vocabulary knows.
std::int32_t known_id(Value value, const Description& d) {
  const auto id = static_cast<std::int32_t>(
      value.integer(0, std::numeric_limits<std::uint32_t>::max()) % (std::int64_t{kMaxId} + 1));
  const bool added =
      std::any_of(d.added.begin(), d.added.end(), [&](const AddedToken& t) { return t.id == id; });
  if (id != value.integer() || (!added && !d.vocabulary.token(id))) {
    value.fail("found the id " + std::to_string(value.integer()) + ", which no token has");
  }
  return id;
}

TemplatePiece special_piece(Value piece, Value specials, const Description& d) {
  const Value name = piece.at("id");
  const auto special = specials.find(name.string());
  if (!special)
    name.fail("the special token " + quote(name.string()) + " is missing from special_tokens");
  TemplatePiece out{TemplatePiece::Kind::kSpecial, type_id(piece.at("type_id")), {}, {}};
  for (const Value id : special->at("ids").elements()) out.ids.push_back(known_id(id, d));
  for (const Value token : special->at("tokens").elements())
    out.tokens.emplace_back(token.string());
  if (out.ids.size() != out.tokens.size()) special->fail("ids and tokens are not equally many");
  return out;
}

std::vector<TemplatePiece> read_template(Value list, Value specials, const Description& d) {
  std::vector<TemplatePiece> pieces;
  for (const Value piece : list.elements()) {
    if (const auto special = piece.find("SpecialToken")) {
      pieces.push_back(special_piece(*special, specials, d));
      continue;
    }
    const Value sequence = piece.at("Sequence");
    const std::string_view id = sequence.at("id").string();
    if (id != "A" && id != "B")
      sequence.fail("found the sequence " + quote(id) + ", expected A or B");
    pieces.push_back({id == "A" ? TemplatePiece::Kind::kFirst : TemplatePiece::Kind::kSecond,
                      type_id(sequence.at("type_id")),
                      {},
                      {}});
  }
  return pieces;
}

bool uses(const std::vector<TemplatePiece>& pieces, TemplatePiece::Kind kind) {
  return std::any_of(pieces.begin(), pieces.end(),
                     [&](const TemplatePiece& p) { return p.kind == kind; });
}

PostProcessor read_template_processing(Value value, const Description& d) {
  const Value specials = value.at("special_tokens");
  PostProcessor out;
  out.single = read_template(value.at("single"), specials, d);
  out.pair = read_template(value.at("pair"), specials, d);
  if (uses(out.single, TemplatePiece::Kind::kSecond))
    value.at("single").fail("uses the second sequence");
  if (!uses(out.pair, TemplatePiece::Kind::kFirst) ||
      !uses(out.pair, TemplatePiece::Kind::kSecond)) {
    value.at("pair").fail("must use both sequences");
  }
  return out;
}

// BertProcessing's ["[SEP]", 102].
TemplatePiece read_special_pair(Value value, std::int32_t type, const Description& d) {
  if (value.size() != 2) value.fail("expected a token and its id");
  auto element = value.elements().begin();
  const std::string token((*element).string());
  return {TemplatePiece::Kind::kSpecial, type, {known_id(*++element, d)}, {token}};
}

bool true_unless(Value value, const char* key) {
  const auto flag = value.find(key);
  return !flag || flag->boolean();
}

std::optional<TrimOffsets> read_trim(Value value) {
  if (!true_unless(value, "trim_offsets")) return std::nullopt;
  return TrimOffsets{true_unless(value, "add_prefix_space")};
}

// One after the other: the template of the one that has one, the trimming of ByteLevel.
PostProcessor read_sequence(Value list, const Description& d) {
  PostProcessor out;
  bool has_template = false;
  for (const Value step : list.elements()) {
    if (has_type(step, "Sequence")) step.fail("found a sequence in a sequence");
    PostProcessor next = read_post_processor(step, d);
    if (next.trim) {
      if (out.trim) step.fail("found a second step that trims offsets");
      out.trim = next.trim;
    }
    if (has_type(step, "ByteLevel")) continue;
    if (has_template) step.fail("found a second template");
    has_template = true;
    out.single = std::move(next.single);
    out.pair = std::move(next.pair);
  }
  return out;
}

Side read_side(std::optional<Value> value) {
  if (!value) return Side::kRight;
  if (value->string() == "Left") return Side::kLeft;
  if (value->string() != "Right")
    value->fail("found " + quote(value->string()) + ", expected Left or Right");
  return Side::kRight;
}

}  // namespace

BertNormalizer read_normalizer(Value value) {
  BertNormalizer out;
  if (!has_type(value, "BertNormalizer")) {
    static constexpr std::array<std::string_view, 14> kKnown{
        "Sequence",     "NFC", "NFD",     "NFKC",        "NFKD",    "Lowercase", "Strip",
        "StripAccents", "Nmt", "Replace", "Precompiled", "Prepend", "ByteLevel", "Bert"};
    refuse_type(value, kKnown);
  }
  out.clean_text = value.at("clean_text").boolean();
  out.handle_chinese_chars = value.at("handle_chinese_chars").boolean();
  out.lowercase = value.at("lowercase").boolean();
  const auto strip = value.find_non_null("strip_accents");
  out.strip_accents = strip ? strip->boolean() : out.lowercase;
  return out;
}

void read_pre_tokenizer(Value value, Description& d) {
  if (has_type(value, "BertPreTokenizer")) {
    d.pre_tokenizer = BertScanner::PreTokenizer::kBert;
  } else if (has_type(value, "ByteLevel")) {
    d.bpe.byte_level = true;
    d.byte_level.use_regex = true_unless(value, "use_regex");
    d.byte_level.add_prefix_space = true_unless(value, "add_prefix_space");
  } else {
    static constexpr std::array<std::string_view, 10> kKnown{
        "CharDelimiterSplit", "Metaspace",       "Whitespace", "Sequence",       "Split",
        "Punctuation",        "WhitespaceSplit", "Digits",     "UnicodeScripts", "FixedLength"};
    refuse_type(value, kKnown);
  }
}

PostProcessor read_post_processor(Value value, const Description& d) {
  if (has_type(value, "TemplateProcessing")) return read_template_processing(value, d);
  if (has_type(value, "BertProcessing")) {
    const TemplatePiece cls = read_special_pair(value.at("cls"), 0, d);
    const TemplatePiece sep = read_special_pair(value.at("sep"), 0, d);
    return bert_template(cls, sep);
  }
  if (has_type(value, "RobertaProcessing")) {
    const TemplatePiece cls = read_special_pair(value.at("cls"), 0, d);
    const TemplatePiece sep = read_special_pair(value.at("sep"), 0, d);
    PostProcessor out = roberta_template(cls, sep);
    out.trim = read_trim(value);
    return out;
  }
  if (has_type(value, "ByteLevel")) {
    PostProcessor out;
    out.trim = read_trim(value);
    return out;
  }
  if (has_type(value, "Sequence")) return read_sequence(value.at("processors"), d);
  refuse_type(value, {});
}

Decoder read_decoder(Value value) {
  if (has_type(value, "WordPiece")) {
    return {Decoder::Kind::kWordPiece, std::string(value.at("prefix").string()),
            value.at("cleanup").boolean()};
  }
  if (has_type(value, "ByteLevel")) return {Decoder::Kind::kByteLevel, "", false};
  static constexpr std::array<std::string_view, 8> kKnown{
      "Metaspace", "BPEDecoder", "CTC", "Sequence", "Replace", "Fuse", "Strip", "ByteFallback"};
  refuse_type(value, kKnown);
}

EncodeOptions read_truncation(Value value) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  EncodeOptions out;
  const Value strategy = value.at("strategy");
  if (strategy.string() == "LongestFirst") {
    out.truncation = Truncation::kLongestFirst;
  } else if (strategy.string() == "OnlyFirst") {
    out.truncation = Truncation::kOnlyFirst;
  } else if (strategy.string() == "OnlySecond") {
    out.truncation = Truncation::kOnlySecond;
  } else {
    strategy.fail("found the unknown strategy " + quote(strategy.string()));
  }
  out.truncation_side = read_side(value.find("direction"));
  out.max_length = value.at("max_length").integer(0, kMax);
  out.stride = value.at("stride").integer(0, kMax);
  return out;
}

Padding read_padding(Value value) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  Padding out;
  const Value strategy = value.at("strategy");
  if (strategy.kind() == json::Kind::kObject) {
    out.to = Padding::To::kFixed;
    out.length = strategy.at("Fixed").integer(0, kMax);
  } else if (strategy.string() != "BatchLongest") {
    strategy.fail("found the unknown strategy " + quote(strategy.string()));
  }
  out.side = read_side(value.find("direction"));
  if (const auto multiple = value.find_non_null("pad_to_multiple_of")) {
    out.multiple_of = multiple->integer(0, kMax);
  }
  out.pad_id = static_cast<std::int32_t>(value.at("pad_id").integer(0, kMaxId));
  out.pad_type_id = type_id(value.at("pad_type_id"));
  out.pad_token = value.at("pad_token").string();
  return out;
}

}  // namespace linnet::tokenizer
