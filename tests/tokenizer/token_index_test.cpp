#include "tokenizer/token_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "tokenizer/trie.h"
#include "weights/base/error.h"

namespace linnet::tokenizer {
namespace {

using Map = std::map<std::string, std::int32_t>;

// The longest key of the map that a text begins with, by trying all of them.
TokenIndex::Match oracle(const Map& map, const std::string& text) {
  for (std::size_t n = text.size(); n > 0; --n) {
    const auto it = map.find(text.substr(0, n));
    if (it != map.end()) return {it->second, static_cast<std::int64_t>(n)};
  }
  return {TokenIndex::kNoValue, 0};
}

TokenIndex::Match longest(const TokenIndex& index, const std::string& text) {
  // Bytes that stand where `longest` may look must not matter.
  const std::string padded = text + std::string(TokenIndex::kPadding, 'a');
  return index.longest(std::string_view(padded).substr(0, text.size()));
}

void expect_same(const TokenIndex& index, const Map& map, const std::string& text) {
  const auto want = oracle(map, text), got = longest(index, text);
  EXPECT_EQ(got.value, want.value) << testing::PrintToString(text);
  EXPECT_EQ(got.bytes, want.bytes) << testing::PrintToString(text);
  const auto it = map.find(text);
  EXPECT_EQ(index.get(text), it == map.end() ? TokenIndex::kNoValue : it->second);
}

std::string random_text(std::mt19937& rng, std::size_t most) {
  static constexpr std::string_view kLetters{"aab\0c", 5};  // zeros look like the padding of a key
  std::string text(1 + rng() % most, ' ');
  for (char& c : text) c = kLetters[rng() % kLetters.size()];
  return text;
}

TEST(TokenIndex, LongestMatchesOracle) {
  std::mt19937 rng(1);
  for (const std::size_t count : {1u, 10u, 300u, 3000u}) {
    TokenIndex index;
    if (count == 300) index.reserve(300);
    Map map;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string key = random_text(rng, i % 3 == 0 ? 30 : 12);
      const auto value = static_cast<std::int32_t>(rng() % 8'000'000);
      const auto [it, is_new] = map.try_emplace(key, value);
      EXPECT_EQ(index.insert(key, value), is_new ? TokenIndex::kNoValue : it->second);
      it->second = value;
    }
    for (const auto& [key, value] : map) expect_same(index, map, key);
    for (int i = 0; i < 3000; ++i) expect_same(index, map, random_text(rng, 40));
  }
}

// x with x * y = 1 modulo 2^64, by Newton's iteration; y odd.
std::uint64_t inverse(std::uint64_t y) {
  std::uint64_t x = y;
  for (int i = 0; i < 6; ++i) x *= 2 - y * x;
  return x;
}

// Keys of eight bytes whose hash has the same lower half: see TokenIndex::hash.
std::vector<std::string> colliding_keys(std::size_t count) {
  constexpr std::uint64_t kHigh = std::uint64_t{8} << 32;
  std::vector<std::string> keys;
  for (std::uint64_t v = 1; keys.size() < count; ++v) {
    const std::uint64_t low =
        (v | v << 32) * inverse(0x13198A2E03707345u) ^ kHigh * 0x243F6A8885A308D3u;
    keys.emplace_back(reinterpret_cast<const char*>(&low), sizeof low);
  }
  return keys;
}

TEST(TokenIndex, KeysMadeToCollideStillWork) {
  std::mt19937 rng(2);
  for (const bool reserve : {false, true}) {
    TokenIndex index;
    if (reserve) index.reserve(4000);
    Map map;
    const auto hostile = colliding_keys(2000);
    for (std::size_t i = 0; i < hostile.size(); ++i) {
      for (const std::string& key : {hostile[i], random_text(rng, 14)}) {
        index.insert(key, static_cast<std::int32_t>(i));
        map[key] = static_cast<std::int32_t>(i);
      }
    }
    EXPECT_TRUE(index.spilled());
    for (const auto& [key, value] : map) expect_same(index, map, key);
    for (int i = 0; i < 1000; ++i) expect_same(index, map, random_text(rng, 20));
  }
}

TEST(TokenIndex, OrdinaryWordsNeverSpill) {
  TokenIndex index;
  for (std::int32_t i = 0; i < 1'000'000; ++i) index.insert(std::to_string(i) + "t", i);
  EXPECT_FALSE(index.spilled());
  for (std::int32_t i = 0; i < 1'000'000; i += 997)
    EXPECT_EQ(index.get(std::to_string(i) + "t"), i);
}

TEST(Trie, AgreesWithMap) {
  std::mt19937 rng(3);
  Trie trie;
  Map map;
  for (int i = 0; i < 5000; ++i) {
    const std::string key = random_text(rng, 25);
    const auto [it, is_new] = map.try_emplace(key, i);
    EXPECT_EQ(trie.insert(key, i), is_new ? Trie::kNoValue : it->second);
    it->second = i;
  }
  for (const auto& [key, value] : map) EXPECT_EQ(trie.get(key), value);
  for (int i = 0; i < 5000; ++i) {
    const std::string key = random_text(rng, 25);
    EXPECT_EQ(trie.get(key), map.contains(key) ? map[key] : Trie::kNoValue);
  }
  EXPECT_EQ(trie.get(""), Trie::kNoValue);
}

TEST(Trie, RefusesKeysMadeToCollide) {
  // Nodes are numbered in the order of insertion, so an attacker knows them: all pairs of bytes
  // first, then third bytes whose edges fall on 64 neighbouring slots of any table of up to 2^22.
  const auto hash = [](std::uint64_t key) {
    key *= 0x9E3779B97F4A7C15u;
    return key ^ (key >> 32);
  };
  Trie trie;
  std::uint64_t node = 0;
  std::vector<std::pair<std::string, std::uint64_t>> pairs;
  for (int a = 0; a < 256; ++a) {
    ++node;  // the node of the first byte alone
    for (int b = 0; b < 256; ++b) {
      const std::string key{static_cast<char>(a), static_cast<char>(b)};
      trie.insert(key, 0);
      pairs.emplace_back(key, ++node);
    }
  }
  EXPECT_THROW(
      {
        for (const auto& [key, parent] : pairs) {
          for (std::uint64_t c = 0; c < 256; ++c) {
            if ((hash(parent << 8 | c) & 0x3FFFFF) < 64) trie.insert(key + static_cast<char>(c), 1);
          }
        }
      },
      Error);
}

}  // namespace
}  // namespace linnet::tokenizer
