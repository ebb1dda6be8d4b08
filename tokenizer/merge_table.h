#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

namespace linnet::tokenizer {

/// Pairs of token ids that merge: (left, right) to the rank and the id of the result. One hash
/// table with linear probing, half empty.
class MergeTable {
 public:
  static constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();

  struct Merge {
    std::uint32_t rank = kNoRank;
    std::int32_t id = -1;
  };

  /// Makes room for `count` pairs; drops those that are there.
  void reset(std::size_t count) {
    const std::size_t slots = std::bit_ceil(2 * count + 2);
    slots_.assign(slots, Slot{});
    shift_ = 64 - std::countr_zero(slots);
  }

  /// Adds a pair, or replaces it. At most as many as reset made room for. False, and nothing
  /// added, when it would lie too far from its place: ids that were chosen to collide.
  bool set(std::int32_t left, std::int32_t right, Merge merge) {
    const std::uint64_t key = key_of(left, right);
    std::size_t at = home(key);
    for (int probe = 0; probe < kMaxProbes; ++probe, at = next(at)) {
      if (slots_[at].key != kEmpty && slots_[at].key != key) continue;
      slots_[at] = {key, merge};
      return true;
    }
    return false;
  }

  /// A merge with kNoRank if the pair does not merge.
  Merge find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t at = home(key);; at = next(at)) {
      if (slots_[at].key == key) return slots_[at].merge;
      if (slots_[at].key == kEmpty) return {};
    }
  }

 private:
  static constexpr int kMaxProbes = 1000;
  static constexpr std::uint64_t kEmpty = std::numeric_limits<std::uint64_t>::max();
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };

  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
           static_cast<std::uint32_t>(right);
  }
  // Multiplication by the golden ratio: the upper bits of the product depend on all of the key.
  std::size_t home(std::uint64_t key) const {
    return static_cast<std::size_t>(((key ^ (key >> 29)) * 0x9E3779B97F4A7C15u) >> shift_);
  }
  std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }

  std::vector<Slot> slots_ = std::vector<Slot>(2);
  int shift_ = 63;
};

}  // namespace linnet::tokenizer
