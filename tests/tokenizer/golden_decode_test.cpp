// Stored decodings: decode.jsonl and decode_each_id.tsv.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "tests/support/sha256.h"
#include "tests/tokenizer/golden.h"

namespace linnet::test {
namespace {

using json::Value;
using tokenizer::Cleanup;
using tokenizer::DecodeOptions;
using tokenizer::Tokenizer;

std::vector<std::int32_t> ids_of(Value record) {
  std::vector<std::int32_t> ids;
  for (const Value v : record.at("ids").elements())
    ids.push_back(static_cast<std::int32_t>(v.integer()));
  return ids;
}

void expect_stream(Value record, const Tokenizer& t) {
  DecodeOptions options;
  options.skip_special_tokens = true;
  tokenizer::DecodeStream stream(t, options);
  const auto ids = ids_of(record);
  std::string whole;
  std::size_t next = 0;
  for (const Value chunk : record.at("chunks").elements()) {
    const std::string text = stream.step(ids.at(next++));
    EXPECT_EQ(text, chunk.string());
    whole += text;
  }
  EXPECT_EQ(next, ids.size());
  whole += stream.finish();
  EXPECT_EQ(whole, record.at("whole").string());
  EXPECT_EQ(whole, t.decode(ids, options));
}

void expect_decode(Value record, const Tokenizer& t) {
  const auto ids = ids_of(record);
  const std::string skip(record.at("decode_skip").string());
  const auto expect = [&](const char* key, const std::string& otherwise, bool skip_special,
                          Cleanup cleanup) {
    DecodeOptions options;
    options.skip_special_tokens = skip_special;
    options.cleanup = cleanup;
    const auto value = record.find(key);
    const std::string want = value ? std::string(value->string()) : otherwise;
    EXPECT_EQ(t.decode(ids, options), want) << key;
    return want;
  };
  expect("decode_skip", skip, true, Cleanup::kTokenizers);
  const std::string keep = expect("decode_keep", skip, false, Cleanup::kTokenizers);
  expect("decode_skip_clean", skip, true, Cleanup::kTransformers);
  expect("decode_keep_clean", keep, false, Cleanup::kTransformers);
}

class GoldenDecode : public testing::TestWithParam<const char*> {};

TEST_P(GoldenDecode, EveryRecord) {
  const auto path = tokenizer_goldens() / "cases" / GetParam() / "decode.jsonl";
  LINNET_NEEDS(path);
  const Tokenizer t = golden_tokenizer(GetParam());
  const std::string text = read_whole(path);
  for (const std::string_view line : split_lines(text)) {
    const json::Document document = json::parse(line, "record", json::kTokenizerBytes);
    const Value record = document.root();
    SCOPED_TRACE(std::string(record.at("id").string()));
    if (record.find("chunks")) {
      expect_stream(record, t);
    } else {
      expect_decode(record, t);
    }
    if (HasFailure()) return;
  }
}

TEST_P(GoldenDecode, EachIdAlone) {
  const auto path = tokenizer_goldens() / "decode_each_id.tsv";
  LINNET_NEEDS(path);
  const Tokenizer t = golden_tokenizer(GetParam());
  DecodeOptions options;
  std::int64_t ids = 0;
  const std::string text = read_whole(path);
  for (std::string_view line : split_lines(text)) {
    const auto field = [&] {
      const std::size_t end = std::min(line.find('\t'), line.size());
      const std::string_view value = line.substr(0, end);
      line.remove_prefix(std::min(end + 1, line.size()));
      return value;
    };
    if (field() != GetParam()) continue;
    std::int32_t first = 0, last = -1;
    const std::string_view a = field(), b = field();
    std::from_chars(a.data(), a.data() + a.size(), first);
    std::from_chars(b.data(), b.data() + b.size(), last);
    Sha256 digest;
    for (std::int32_t id = first; id <= last; ++id, ++ids) {
      options.cleanup = id % 2 == 0 ? Cleanup::kTokenizers : Cleanup::kNone;
      const std::string piece = t.decode(std::vector{id}, options);
      digest.update_u32(static_cast<std::uint32_t>(piece.size()));
      digest.update(piece);
    }
    EXPECT_EQ(digest.hex(), field()) << first << " to " << last;
  }
  EXPECT_EQ(ids, t.vocab_size());
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, GoldenDecode, testing::ValuesIn(kGoldenTokenizers),
                         parameter_name);

}  // namespace
}  // namespace linnet::test
