#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace linnet::tokenizer {

/// The words of a vocabulary that are ASCII letters and digits only and short enough to be compared
/// in two registers: most words of a text are found here with one look-up.
class WordTable {
 public:
  static constexpr std::int64_t kMaxBytes = 13;

  /// A word as two little-endian numbers, bytes behind its end zero.
  struct Key {
    std::uint64_t low;   ///< bytes 0 to 7
    std::uint64_t high;  ///< bytes 8 to 12
  };

  /// True for words that insert takes.
  static bool fits(std::string_view word);

  /// Makes room for this many words.
  void reserve(std::int64_t words);
  /// Adds a word that fits and is not there yet, with an id below 2^23. A word that collides with
  /// too many others is left out: the trie finds it.
  void insert(std::string_view word, std::int32_t id);

  /// The id of a word, or -1.
  std::int32_t find(Key key) const {
    std::uint64_t at = hash(key);
    for (std::uint64_t probe = 0; probe < kMaxProbes; ++probe, ++at) {
      const Slot& slot = slots_[at & mask_];
      if (slot.low == key.low && (slot.high & kHighBytes) == key.high) {
        return static_cast<std::int32_t>(slot.high >> kIdShift) - 1;
      }
      if (slot.high == 0) return -1;
    }
    return -1;
  }

 private:
  static constexpr int kIdShift = 40;
  static constexpr std::uint64_t kHighBytes = (std::uint64_t{1} << kIdShift) - 1;
  static constexpr std::uint64_t kMaxProbes = 64;
  struct Slot {
    std::uint64_t low = 0;
    std::uint64_t high = 0;  // bytes 8 to 12, then id + 1: never 0 in use
  };
  static std::uint64_t hash(Key key) {
    // Odd constants from the fractions of pi; the fold brings the upper bits of the product down.
    const std::uint64_t h = (key.low ^ (key.high * 0x243F6A8885A308D3u)) * 0x13198A2E03707345u;
    return h ^ (h >> 32);
  }
  static Key key_of(std::string_view word);

  std::vector<Slot> slots_ = std::vector<Slot>(2);
  std::uint64_t mask_ = 1;
};

}  // namespace linnet::tokenizer
