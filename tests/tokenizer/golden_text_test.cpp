// Every stored encoding of one text or one pair, its decodings, and the normalizer, added-token and
// invalid UTF-8 variants.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/data.h"
#include "tests/support/sha256.h"
#include "tests/tokenizer/golden.h"

namespace linnet::test {
namespace {

using json::Value;
using tokenizer::Cleanup;
using tokenizer::DecodeOptions;
using tokenizer::Encoding;
using tokenizer::Tokenizer;

std::string decode(const Tokenizer& t, const Encoding& e, bool skip, Cleanup cleanup) {
  DecodeOptions options;
  options.skip_special_tokens = skip;
  options.cleanup = cleanup;
  return t.decode(e.ids, options);
}

// The four decodings; each falls back to the one before when its key is absent.
void expect_decodings(Value row, const Tokenizer& t, const Encoding& e, std::string_view text) {
  const auto get = [&](const char* key, std::string_view otherwise) {
    const auto value = row.find(key);
    return std::string(value ? value->string() : otherwise);
  };
  const std::string skip = get("decode_skip", text);
  const std::string keep = get("decode_keep", skip);
  EXPECT_EQ(decode(t, e, true, Cleanup::kTokenizers), skip);
  EXPECT_EQ(decode(t, e, false, Cleanup::kTokenizers), keep);
  if (row.find("variant")) return;  // made without transformers
  EXPECT_EQ(decode(t, e, true, Cleanup::kTransformers), get("decode_skip_clean", skip));
  EXPECT_EQ(decode(t, e, false, Cleanup::kTransformers), get("decode_keep_clean", keep));
}

void expect_long(Value row, const Tokenizer& t, const Encoding& e) {
  ASSERT_EQ(e.size(), row.at("n_ids").integer());
  Sha256 ids, offsets, text;
  for (const std::int32_t id : e.ids) ids.update_u32(static_cast<std::uint32_t>(id));
  for (const tokenizer::Span s : e.offsets) {
    offsets.update_u32(static_cast<std::uint32_t>(s.begin));
    offsets.update_u32(static_cast<std::uint32_t>(s.end));
  }
  text.update(decode(t, e, true, Cleanup::kTokenizers));
  EXPECT_EQ(ids.hex(), row.at("ids_sha256").string());
  EXPECT_EQ(offsets.hex(), row.at("offsets_sha256").string());
  EXPECT_EQ(text.hex(), row.at("decode_skip_sha256").string());
}

// What the record's encoding must be, with and without offsets.
void expect_record(Value row, const Tokenizer& t) {
  SCOPED_TRACE(std::string(row.at("id").string()));
  tokenizer::EncodeOptions options = record_options(row, t).encode;
  const std::string given = record_text(row);
  tokenizer::Scratch scratch;
  std::vector<std::int32_t> ids;

  if (row.find("text_gen")) {
    options.offsets = tokenizer::OffsetUnit::kChars;
    expect_long(row, t, t.encode(given, options));
    return;
  }
  if (row.find("text_b64")) {
    options.invalid_utf8 = tokenizer::InvalidUtf8::kReplace;
    const std::string seen = tokenizer::replace_invalid_utf8(given);
    EXPECT_EQ(seen, row.at("text").string());
    EXPECT_EQ(difference(row, t.encode(seen, options), t, seen, nullptr), "");
    Encoding raw = t.encode(given, options);
    std::vector<std::int64_t> want, got;
    const Value list = row.at(row.find("offsets_raw")     ? "offsets_raw"
                              : row.find("offsets_bytes") ? "offsets_bytes"
                                                          : "offsets");
    for (const Value v : list.elements()) want.push_back(v.integer());
    for (const tokenizer::Span s : raw.offsets) got.insert(got.end(), {s.begin, s.end});
    EXPECT_EQ(got, want);
    t.encode_ids(given, options, scratch, ids);
    EXPECT_EQ(ids, raw.ids);
    return;
  }
  if (const auto pair = row.find("pair")) {
    const std::string second(pair->string());
    const Encoding e = t.encode_pair(given, second, options);
    EXPECT_EQ(difference(row, e, t, given, &second), "");
    std::vector<std::int32_t> types;
    t.encode_pair_ids(given, second, options, scratch, ids, types);
    EXPECT_EQ(ids, e.ids);
    EXPECT_EQ(types, e.type_ids);
    expect_decodings(row, t, e, given);
    return;
  }
  const Encoding e = t.encode(given, options);
  EXPECT_EQ(difference(row, e, t, given, nullptr), "");
  t.encode_ids(given, options, scratch, ids);
  EXPECT_EQ(ids, e.ids);
  expect_decodings(row, t, e, given);
}

class GoldenText : public testing::TestWithParam<const char*> {};

TEST_P(GoldenText, EveryStoredEncoding) {
  const std::string name = GetParam();
  const auto path = tokenizer_goldens() / "cases" / name / "text.jsonl";
  LINNET_NEEDS(path);
  const Tokenizer t = golden_tokenizer(name);
  const std::string text = read_whole(path);
  std::int64_t records = 0;
  for (const std::string_view line : split_lines(text)) {
    const json::Document row = json::parse(line, "record", json::kTokenizerBytes);
    expect_record(row.root(), t);
    if (HasFailure()) return;  // the first one says enough
    ++records;
  }
  EXPECT_GE(records, 600);
}

TEST_P(GoldenText, EveryVariant) {
  const std::string name = GetParam();
  const auto path = tokenizer_goldens() / "cases" / name / "variants.jsonl";
  if (name == "all-MiniLM-L6-v2") GTEST_SKIP() << "has no variants";
  LINNET_NEEDS(path);
  const std::string settings = read_whole(path.parent_path() / "variants.json");
  const json::Document variants = json::parse(settings, "variants.json", json::kTokenizerBytes);
  std::map<std::string, Tokenizer, std::less<>> tokenizers;
  for (const Value v : variants.root().elements()) {
    tokenizers.emplace(v.at("name").string(), Tokenizer::from_json(variant_json(name, v)));
  }
  const std::string text = read_whole(path);
  for (const std::string_view line : split_lines(text)) {
    const json::Document row = json::parse(line, "record", json::kTokenizerBytes);
    const auto variant = row.root().at("variant").string();
    SCOPED_TRACE(std::string(variant));
    expect_record(row.root(), tokenizers.find(variant)->second);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, GoldenText, testing::ValuesIn(kGoldenTokenizers),
                         parameter_name);

}  // namespace
}  // namespace linnet::test
