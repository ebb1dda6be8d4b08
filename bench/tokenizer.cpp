// Tokenizer speed on one thread: MB/s over the texts of a file, each read once a
// round.
//
//   bench_tokenizer TOKENIZER TEXTS [ROUNDS]
//
// TOKENIZER is a tokenizer.json or a vocab.txt, TEXTS a .jsonl file (key "text") or any other file,
// a text a line. Prints a line of JSON for each round and way: "load" (milliseconds from the text
// of the file), "ids" (encode_ids), "offsets" (encode, everything). Before the rounds the ids are
// compared with those of the stages one by one, without the ASCII fast path; a difference ends the
// program with 1.
#include "tokenizer/tokenizer.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/load.h"
#include "tokenizer/parts.h"
#include "tools/bench/machine.h"
#include "weights/base/json.h"

namespace linnet::tokenizer {
namespace {

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::kIo, path + ": cannot be opened");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> read_texts(const std::string& path) {
  const std::string whole = read_whole(path);
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < whole.size();) {
    const std::size_t end = std::min(whole.find('\n', at), whole.size());
    const std::string_view line = std::string_view(whole).substr(at, end - at);
    if (path.ends_with(".jsonl")) {
      const json::Document record = json::parse(line, path, json::kTokenizerBytes);
      texts.emplace_back(record.root().at("text").string());
    } else {
      texts.emplace_back(line);
    }
    at = end + 1;
  }
  return texts;
}

bool is_json(std::string_view path) { return path.ends_with(".json"); }

Tokenizer load(const std::string& path, const std::string& text) {
  return is_json(path) ? Tokenizer::from_json(text) : Tokenizer::from_vocab(text);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void report(const char* way, double seconds, double bytes, std::int64_t tokens) {
  std::printf("{\"way\": \"%s\", \"seconds\": %.6f, \"mb_per_s\": %.2f, \"tokens\": %lld}\n", way,
              seconds, bytes / seconds / 1e6, static_cast<long long>(tokens));
  std::fflush(stdout);
}

// The ids of a text without specials, one stage after the other.
std::vector<std::int32_t> staged(const Tokenizer::Parts& parts, std::string_view text,
                                 Scratch::Buffers& b) {
  std::vector<std::int32_t> ids;
  IdSink sink(ids, text.size() + 1);
  b.chars.clear();
  parts.d.normalizer.normalize(text, 0, static_cast<std::int64_t>(text.size()),
                               b.scanner.normalizer, b.chars);
  parts.bert_scanner->words(b.chars, b.scanner, sink);
  return ids;
}

bool same_ids(const Tokenizer& t, const Tokenizer::Parts& parts,
              const std::vector<std::string>& texts) {
  if (!parts.bert_scanner) return true;  // byte-level BPE has one way only
  EncodeOptions options;
  options.add_special_tokens = false;
  options.parse_special = false;
  Scratch scratch;
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ids.clear();
    t.encode_ids(texts[i], options, scratch, ids);
    if (ids == staged(parts, texts[i], scratch.buffers())) continue;
    std::fprintf(stderr, "text %zu: the fast path gives other ids\n", i);
    return false;
  }
  return true;
}

int run(const std::string& tokenizer_path, const std::string& texts_path, int rounds) {
  const std::string file = read_whole(tokenizer_path);
  const std::vector<std::string> texts = read_texts(texts_path);
  double bytes = 0;
  for (const std::string& text : texts) bytes += static_cast<double>(text.size());
  const Tokenizer t = load(tokenizer_path, file);
  const Tokenizer::Parts parts(is_json(tokenizer_path) ? load_json(file, {})
                                                       : load_vocab(file, {}));
  if (!same_ids(t, parts, texts)) return 1;

  std::fprintf(stderr, "# clock %.2f GHz, memory read %.1f GB/s, pages of %ld bytes\n",
               bench::clock_ghz(), bench::memory_gbytes(), sysconf(_SC_PAGESIZE));
  Scratch scratch;
  std::vector<std::int32_t> ids;
  for (int round = 0; round < rounds; ++round) {
    auto start = std::chrono::steady_clock::now();
    const Tokenizer fresh = load(tokenizer_path, file);
    report("load", seconds_since(start), static_cast<double>(file.size()), fresh.vocab_size());

    std::int64_t tokens = 0;
    start = std::chrono::steady_clock::now();
    for (const std::string& text : texts) {
      ids.clear();
      tokens += fresh.encode_ids(text, {}, scratch, ids);
    }
    report("ids", seconds_since(start), bytes, tokens);

    tokens = 0;
    start = std::chrono::steady_clock::now();
    for (const std::string& text : texts) tokens += fresh.encode(text, {}, scratch).size();
    report("offsets", seconds_since(start), bytes, tokens);
  }
  return 0;
}

}  // namespace
}  // namespace linnet::tokenizer

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: bench_tokenizer TOKENIZER TEXTS [ROUNDS]\n");
    return 2;
  }
  try {
    return linnet::tokenizer::run(argv[1], argv[2],
                                  argc == 4 ? std::max(1, std::atoi(argv[3])) : 5);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
