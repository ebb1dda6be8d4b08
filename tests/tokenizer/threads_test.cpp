// One tokenizer, many threads.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/tokenizer/generator.h"
#include "tests/tokenizer/small.h"

namespace linnet::test {
namespace {

using tokenizer::Encoding;
using tokenizer::Tokenizer;

// Everything a thread does with a text, as one string of ids.
std::vector<std::int32_t> work(const Tokenizer& t, const std::string& text,
                               tokenizer::Scratch& scratch) {
  std::vector<std::int32_t> out;
  t.encode_ids(text, {}, scratch, out);
  const Encoding e = t.encode(text, {}, scratch);
  for (const tokenizer::Span s : e.offsets) out.insert(out.end(), {s.begin, s.end});
  for (const char c : t.decode(e.ids)) out.push_back(c);
  return out;
}

TEST(Threads, ShareOneTokenizer) {
  SmallJson json;
  json.add(kSmallVocab, "zz", false, true, true, true, false);
  const Tokenizer t = json.load();
  TextGenerator generator(9);
  std::vector<std::string> texts;
  std::vector<std::vector<std::int32_t>> want;
  tokenizer::Scratch scratch;
  for (int i = 0; i < 500; ++i) {
    texts.push_back(generator.text(20));
    want.push_back(work(t, texts.back(), scratch));
  }
  std::vector<int> wrong(8, 0);
  std::vector<std::thread> threads;
  for (std::size_t k = 0; k < wrong.size(); ++k) {
    threads.emplace_back([&, k] {
      tokenizer::Scratch own;
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::size_t at = (i + 61 * k) % texts.size();
        wrong[k] += work(t, texts[at], own) != want[at];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(8, 0));
}

// The tables are built when they are first asked for: by several threads at once here.
TEST(Threads, LoadAtTheSameTime) {
  const std::string text = SmallJson().text();
  std::vector<std::int64_t> sizes(8);
  std::vector<std::thread> threads;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    threads.emplace_back(
        [&, k] { sizes[k] = Tokenizer::from_json(text).encode("Résumé 中").size(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sizes, std::vector<std::int64_t>(8, 4));
}

}  // namespace
}  // namespace linnet::test
