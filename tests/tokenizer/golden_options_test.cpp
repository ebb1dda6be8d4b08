// Truncation, windows, padding, policies and the baked settings: options.jsonl.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "tests/tokenizer/golden.h"

namespace linnet::test {
namespace {

using json::Value;
using tokenizer::Encoding;
using tokenizer::Tokenizer;

// The texts of a record that has one or a batch of them.
std::vector<std::string> texts_of(Value record, const char* one, const char* many) {
  std::vector<std::string> out;
  if (const auto list = record.find(many)) {
    for (const Value v : list->elements()) out.emplace_back(v.string());
  } else if (const auto text = record.find(one)) {
    out.emplace_back(text->string());
  }
  return out;
}

// A batch run as the record asks: the encodings, padded.
std::vector<Encoding> run(const RecordOptions& options, const Tokenizer& t,
                          const std::vector<std::string>& texts,
                          const std::vector<std::string>& pairs) {
  std::vector<Encoding> out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    out.push_back(pairs.empty() ? t.encode(texts[i], options.encode)
                                : t.encode_pair(texts[i], pairs[i], options.encode));
  }
  if (options.padding) {
    check_padding(*options.padding, options.encode);
    pad(out, *options.padding);
  }
  return out;
}

// The encoding and then its windows, each with the index of its sample.
std::vector<std::pair<std::int64_t, Encoding>> flatten(const std::vector<Encoding>& encodings) {
  std::vector<std::pair<std::int64_t, Encoding>> rows;
  for (std::size_t i = 0; i < encodings.size(); ++i) {
    rows.emplace_back(i, encodings[i]);
    for (const Encoding& window : encodings[i].overflow) rows.emplace_back(i, window);
  }
  return rows;
}

// encode_ids must agree with encode wherever padding does not come in between.
void expect_same_ids(const RecordOptions& options, const Tokenizer& t, const std::string& text,
                     const std::string* pair, const Encoding& e) {
  tokenizer::Scratch scratch;
  std::vector<std::int32_t> ids, types;
  if (pair != nullptr) {
    t.encode_pair_ids(text, *pair, options.encode, scratch, ids, types);
    EXPECT_EQ(types, e.type_ids);
  } else {
    t.encode_ids(text, options.encode, scratch, ids);
  }
  EXPECT_EQ(ids, e.ids);
}

void expect_record(Value record, const Tokenizer& t) {
  SCOPED_TRACE(std::string(record.at("id").string()));
  RecordOptions options = record_options(record, t);
  if (record.find("variant")) {  // the baked settings of tokenizer.json
    options.encode = t.facts().truncation.value();
    options.encode.tokens = true;
    options.padding = t.facts().padding.value();
  }
  const auto texts = texts_of(record, "text", "texts");
  const auto pairs = texts_of(record, "pair", "pairs");
  std::vector<Encoding> got;
  std::string error;
  try {
    got = run(options, t, texts, pairs);
  } catch (const tokenizer::TokenizerError& e) {
    error = name(e.reason());
  }
  const auto wanted_error = record.find("error");
  // There the reference compares the stride with less than the window: our outcome is our own.
  if (record.find("reference") &&
      record.at("reference").string().starts_with("subtracts the specials")) {
    return;
  }
  EXPECT_EQ(error, wanted_error ? wanted_error->string() : "");
  if (!error.empty()) return;
  if (!options.padding) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      expect_same_ids(options, t, texts[i], pairs.empty() ? nullptr : &pairs[i], got[i]);
    }
  }
  const auto rows = flatten(got);
  if (const auto mapping = record.find("overflow_to_sample_mapping")) {
    std::vector<std::int64_t> want, have;
    for (const Value v : mapping->elements()) want.push_back(v.integer());
    for (const auto& row : rows) have.push_back(row.first);
    EXPECT_EQ(have, want);
  }
  const auto list = record.find("rows");
  ASSERT_EQ(static_cast<std::int64_t>(rows.size()), list ? list->size() : 1);
  std::size_t next = 0;
  const auto expect_row = [&](Value row) {
    const auto& [sample, encoding] = rows[next++];
    const auto i = static_cast<std::size_t>(sample);
    EXPECT_EQ(difference(row, encoding, t, texts[i], pairs.empty() ? nullptr : &pairs[i]), "")
        << "row " << next - 1;
  };
  if (list) {
    for (const Value row : list->elements()) expect_row(row);
  } else {
    expect_row(record);
  }
}

class GoldenOptions : public testing::TestWithParam<const char*> {};

TEST_P(GoldenOptions, EveryRecord) {
  const auto path = tokenizer_goldens() / "cases" / GetParam() / "options.jsonl";
  LINNET_NEEDS(path);
  const Tokenizer t = golden_tokenizer(GetParam());
  const std::string text = read_whole(path);
  for (const std::string_view line : split_lines(text)) {
    const json::Document record = json::parse(line, "record", json::kTokenizerBytes);
    expect_record(record.root(), t);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, GoldenOptions, testing::ValuesIn(kGoldenTokenizers),
                         parameter_name);

}  // namespace
}  // namespace linnet::test
