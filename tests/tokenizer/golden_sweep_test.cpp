// Every Unicode scalar value, and whole corpora, by digest.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "tests/support/sha256.h"
#include "tests/tokenizer/golden.h"
#include "tokenizer/utf8.h"

namespace linnet::test {
namespace {

using tokenizer::Encoding;
using tokenizer::Tokenizer;

constexpr std::uint32_t kEnd = 0xFFFFFFFF;  // closes the numbers of one text

void update(Sha256& digest, const std::vector<std::int32_t>& ids) {
  digest.update(ids.data(), ids.size() * sizeof ids[0]);
  digest.update_u32(kEnd);
}

// The digests of one block of 256 scalar values: ids of "a" + c + "b", ids of c, offsets of the
// first.
std::array<std::string, 3> block_digests(const Tokenizer& t, char32_t block,
                                         tokenizer::Scratch& scratch) {
  tokenizer::EncodeOptions options;
  options.add_special_tokens = false;
  options.offsets = tokenizer::OffsetUnit::kChars;
  std::array<Sha256, 3> digests;
  std::vector<std::int32_t> ids;
  for (char32_t c = block << 8; c < (block + 1) << 8; ++c) {
    std::string alone;
    tokenizer::utf8::append(alone, c);
    const Encoding between = t.encode("a" + alone + "b", options, scratch);
    ids.clear();
    t.encode_ids(alone, options, scratch, ids);
    update(digests[0], between.ids);
    update(digests[1], ids);
    digests[2].update(between.offsets.data(), between.offsets.size() * sizeof(tokenizer::Span));
    digests[2].update_u32(kEnd);
  }
  return {digests[0].hex(), digests[1].hex(), digests[2].hex()};
}

class GoldenSweep : public testing::TestWithParam<const char*> {};

TEST_P(GoldenSweep, EveryScalarValue) {
  const auto path = tokenizer_goldens() / "sweep" / (std::string(GetParam()) + ".txt");
  LINNET_NEEDS(path);
  const Tokenizer t = golden_tokenizer(GetParam());
  tokenizer::Scratch scratch;
  std::int64_t blocks = 0;
  const std::string text = read_whole(path);
  for (const std::string_view line : split_lines(text)) {
    if (line.starts_with("#")) continue;
    std::istringstream row{std::string(line)};
    std::uint32_t block = 0;
    std::array<std::string, 3> want;
    row >> std::hex >> block >> want[0] >> want[1] >> want[2];
    const auto got = block_digests(t, block, scratch);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(got[i].substr(0, 16), want[i]) << "block " << std::hex << block << " column " << i;
    }
    ++blocks;
  }
  EXPECT_EQ(blocks, 0x1100 - 8);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, GoldenSweep, testing::ValuesIn(kGoldenTokenizers),
                         parameter_name);

// The lines of a corpus, as the goldens' README defines them.
std::vector<std::string> corpus_lines(std::string_view set) {
  const auto data = data_dir();
  std::vector<std::string> out;
  const auto each_line = [&](const std::filesystem::path& path, auto use) {
    const std::string text = read_whole(path);
    for (const std::string_view line : split_lines(text)) use(line);
  };
  if (set.starts_with("imdb-")) {
    each_line(data / "imdb" / (std::string(set.substr(5)) + ".jsonl"), [&](std::string_view line) {
      const json::Document record = json::parse(line, "record", json::kTokenizerBytes);
      out.emplace_back(record.root().at("text").string());
    });
  } else if (set.starts_with("wikitext-2-")) {
    each_line(
        data / "wikitext-2" / (set == "wikitext-2-test" ? "wiki.test.raw" : "wiki.valid.tokens"),
        [&](std::string_view line) { out.emplace_back(line); });
  } else if (set == "sst2-train") {
    each_line(data / "glue/SST-2/train.tsv", [&](std::string_view line) {
      if (line.ends_with('\r')) line.remove_suffix(1);
      out.emplace_back(line.substr(line.find('\t') + 1));
    });
    out.erase(out.begin());  // the header
  } else if (set == "squad-1.1-contexts") {
    const std::string text = read_whole(data / "squad/dev-v1.1.json");
    const json::Document squad = json::parse(text, "squad", json::kTokenizerBytes);
    for (const json::Value article : squad.root().at("data").elements()) {
      for (const json::Value p : article.at("paragraphs").elements()) {
        out.emplace_back(p.at("context").string());
      }
    }
  }
  return out;
}

TEST(GoldenCorpus, EveryBlock) {
  const auto path = tokenizer_goldens() / "corpus_digests.tsv";
  LINNET_NEEDS(path);
  std::map<std::string, Tokenizer> tokenizers;
  for (const char* name : {"bert-base-uncased", "bert-base-cased", "gpt2"}) {
    tokenizers.emplace(name, golden_tokenizer(name));
  }
  tokenizer::Scratch scratch;
  std::vector<std::int32_t> ids;
  std::string current;
  std::vector<std::string> lines;
  std::int64_t blocks = 0;
  const std::string table = read_whole(path);
  for (const std::string_view row_text : split_lines(table)) {
    std::istringstream row{std::string(row_text)};
    std::string set, name, want;
    std::size_t block = 0, in_block = 0, in_ids = 0;
    row >> set >> name >> block >> in_block >> in_ids >> want;
    if (!tokenizers.contains(name)) continue;
    if (set != current) lines = corpus_lines(set);
    current = set;
    ASSERT_LE(1000 * block + in_block, lines.size());
    Sha256 digest;
    std::size_t count = 0;
    for (std::size_t i = 1000 * block; i < 1000 * block + in_block; ++i) {
      ids.clear();
      tokenizers.at(name).encode_ids(lines[i], {}, scratch, ids);
      count += ids.size();
      update(digest, ids);
    }
    EXPECT_EQ(count, in_ids);
    EXPECT_EQ(digest.hex(), want) << set << ' ' << name << " block " << block;
    ++blocks;
  }
  EXPECT_EQ(blocks, 390);
}

}  // namespace
}  // namespace linnet::test
