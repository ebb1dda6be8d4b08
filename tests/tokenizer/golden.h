#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "weights/base/json.h"

// Reading the tokenizer goldens; their format is in goldens/tokenizers/README.md of the data
// folder.
namespace linnet::test {

std::filesystem::path tokenizer_goldens();

/// The whole content of a file; throws when there is none.
std::string read_whole(const std::filesystem::path& path);
/// The pieces between newlines, without an empty one at the end.
std::vector<std::string_view> split_lines(std::string_view text);

/// bert-base-uncased and bert-base-cased from vocab.txt, all-MiniLM-L6-v2 and tiny-roberta from
/// tokenizer.json, gpt2 from vocab.json and merges.txt.
inline constexpr const char* kGoldenTokenizers[] = {"bert-base-uncased", "bert-base-cased",
                                                    "all-MiniLM-L6-v2", "gpt2", "tiny-roberta"};
/// Their names as GoogleTest wants them.
std::string parameter_name(const testing::TestParamInfo<const char*>& info);
tokenizer::Tokenizer golden_tokenizer(std::string_view name);

/// The same tokenizer as tokenizer.json text, with the settings of an entry of variants.json.
std::string variant_json(std::string_view base, json::Value variant);

/// The options of a record.
struct RecordOptions {
  tokenizer::EncodeOptions encode;
  std::optional<tokenizer::Padding> padding;
};
RecordOptions record_options(json::Value record, const tokenizer::Tokenizer& t);

/// The input text(s) of a record: text, text_b64 or text_gen.
std::string record_text(json::Value record);

/// An empty string, or how an encoding differs from a row. `first` and `second` are the texts that
/// the tokenizer saw (second null: one text); offsets of the encoding are in bytes.
std::string difference(json::Value row, const tokenizer::Encoding& encoding,
                       const tokenizer::Tokenizer& t, std::string_view first,
                       const std::string* second);

std::string from_base64(std::string_view text);

}  // namespace linnet::test
