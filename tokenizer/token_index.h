#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tokenizer/trie.h"

namespace linnet::tokenizer {

/// Strings to numbers, and the longest string that a text begins with. Strings of up to 12 bytes,
/// which is nearly all of them, are whole in the 16-byte slots of one hash table; the others are in
/// a trie.
class TokenIndex {
 public:
  static constexpr std::int64_t kKeyBytes = 12;
  /// Bytes behind the end of a text that `longest` may read.
  static constexpr std::size_t kPadding = 16;
  static constexpr std::int32_t kNoValue = Trie::kNoValue;

  /// A short string: its bytes, little-endian, zeros behind its end; and its length.
  struct Key {
    std::uint64_t low;   ///< bytes 0 to 7
    std::uint64_t high;  ///< bytes 8 to 11, length << 32
  };
  /// The first n bytes, 1 <= n <= kKeyBytes, of the 16 that `low` and `high` hold.
  static Key key_of(std::uint64_t low, std::uint64_t high, std::int64_t n) {
    const Key& mask = kMasks[static_cast<std::size_t>(n)];
    return {low & mask.low, (high & mask.high) | (static_cast<std::uint64_t>(n) << 32)};
  }

  /// Makes room for this many strings.
  void reserve(std::int64_t count);
  /// Gives a string that is not empty a value in [0, 2^23), and returns the one it had, or
  /// kNoValue.
  std::int32_t insert(std::string_view text, std::int32_t value);

  /// The value of a string, or kNoValue.
  std::int32_t get(std::string_view text) const;
  /// The value of a short string; kNoValue if it has none here.
  std::int32_t find(Key key) const {
    const std::uint64_t home = hash(key);
    for (std::uint64_t probe = 0; probe < kMaxProbes; ++probe) {
      const Slot& slot = slots_[(home + probe) & mask_];
      if (slot.low == key.low && (slot.high & kKeyBits) == key.high) {
        return static_cast<std::int32_t>(slot.high >> kValueShift);
      }
      if (slot.high == 0) break;
    }
    return kNoValue;
  }

  /// True once strings that were made to collide have been moved to the trie, all others with them.
  bool spilled() const { return spilled_; }

  struct Match {
    std::int32_t value;  ///< kNoValue: nothing matches
    std::int64_t bytes;
  };
  /// The longest string at the front of `text`, which kPadding readable bytes follow.
  Match longest(std::string_view text) const {
    if (static_cast<std::int64_t>(text.size()) > kKeyBytes || spilled_) {
      const Match match = longest_in_trie(text);
      if (match.bytes > kKeyBytes || spilled_) return match;
    }
    std::uint64_t low = 0, high = 0;
    std::memcpy(&low, text.data(), 8);
    std::memcpy(&high, text.data() + 8, 8);
    const auto most = std::min<std::int64_t>(static_cast<std::int64_t>(text.size()), kKeyBytes);
    // Bit n: try the first n bytes. Lengths 1 and 2 have no filter.
    std::uint32_t lengths = lengths_[filter(low)] | 0b110u;
    lengths &= (2u << most) - 1;
    while (lengths != 0) {
      const std::int64_t n = std::bit_width(lengths) - 1;
      const std::int32_t value = find(key_of(low, high, n));
      if (value != kNoValue) return {value, n};
      lengths &= ~(1u << n);
    }
    return {kNoValue, 0};
  }

 private:
  // high: bytes 8 to 11 (32 bits), length (4 bits, never 0), value.
  struct Slot {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
  };
  static constexpr int kValueShift = 40;
  static constexpr std::uint64_t kKeyBits = (std::uint64_t{1} << kValueShift) - 1;
  static constexpr std::uint64_t kMaxProbes = 128;
  static constexpr std::array<Key, 16> kMasks = [] {
    std::array<Key, 16> masks{};
    for (std::size_t n = 1; n <= static_cast<std::size_t>(kKeyBytes); ++n) {
      masks[n].low = n >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * n)) - 1;
      masks[n].high = n > 8 ? (std::uint64_t{1} << (8 * (n - 8))) - 1 : 0;
    }
    return masks;
  }();

  static std::uint64_t hash(Key key) {
    // Odd constants from the fractions of pi; the fold brings the upper bits of the product down.
    const std::uint64_t h = (key.low ^ (key.high * 0x243F6A8885A308D3u)) * 0x13198A2E03707345u;
    return h ^ (h >> 32);
  }
  // Which entry of lengths_ the first three bytes have.
  static std::size_t filter(std::uint64_t low) {
    return static_cast<std::size_t>(((low & 0xFFFFFF) * 0x9E3779B1u & 0xFFFFFFFF) >>
                                    (32 - kFilterBits));
  }
  static Key key_of(std::string_view text);
  Slot* slot_of(Key key);
  void grow(std::size_t slots);
  void spill(const std::vector<Slot>& slots);
  Match longest_in_trie(std::string_view text) const;

  static constexpr int kFilterBits = 13;
  std::vector<Slot> slots_ = std::vector<Slot>(16);
  std::uint64_t mask_ = 15;
  std::int64_t used_ = 0;
  std::vector<std::uint16_t> lengths_ = std::vector<std::uint16_t>(std::size_t{1} << kFilterBits);
  Trie long_;
  bool spilled_ = false;  // strings were made to collide: everything is in the trie
};

}  // namespace linnet::tokenizer
