#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace linnet::tokenizer {

/// A map from byte strings to numbers that can be walked byte by byte: a trie whose edges are in
/// one open-addressing hash table, one 8-byte slot an edge.
class Trie {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNone = 0xFFFFFFFF;
  static constexpr std::int32_t kNoValue = -1;

  Trie();

  /// Makes room for about this many edges.
  void reserve(std::int64_t edges);
  /// Gives `key` the value, >= 0, and returns the one it had, or kNoValue. Throws Error (kLimit)
  /// for more nodes than kMaxNodes and for keys that are made to collide.
  std::int32_t insert(std::string_view key, std::int32_t value);

  /// What one edge leads to.
  struct Step {
    Node node;  ///< kNone: there is no such edge
    bool has_value;
  };
  Step step(Node node, char byte) const {
    const std::uint64_t key = key_of(node, byte);
    for (std::uint64_t at = hash(key);; ++at) {
      const std::uint64_t slot = slots_[at & mask_];
      if (slot >> kKeyShift == key) {
        return {static_cast<Node>(slot >> 1) & (kMaxNodes - 1), (slot & 1) != 0};
      }
      if (slot == 0) return {kNone, false};
    }
  }
  std::int32_t value(Node node) const { return values_[node]; }
  /// The node of a string, or kNone.
  Node find(std::string_view key) const;
  /// The value of a string, or kNoValue.
  std::int32_t get(std::string_view key) const;

  static constexpr std::uint32_t kMaxNodes = 1u << 27;

 private:
  // A slot is parent (27 bits), byte (8), child (28), "child has a value" (1). No edge leads to the
  // root, so 0 is an empty slot.
  static constexpr int kKeyShift = 29;
  static std::uint64_t key_of(Node node, char byte) {
    return (std::uint64_t{node} << 8) | static_cast<unsigned char>(byte);
  }
  static std::uint64_t hash(std::uint64_t key) {
    key *= 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio
    return key ^ (key >> 32);
  }
  std::uint64_t* slot_of(std::uint64_t key);
  void grow();
  void check_collisions() const;

  std::vector<std::uint64_t> slots_;
  std::uint64_t mask_;
  std::vector<std::int32_t> values_;  // by node
};

}  // namespace linnet::tokenizer
