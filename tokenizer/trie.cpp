#include "tokenizer/trie.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "weights/base/error.h"

namespace linnet::tokenizer {
namespace {

// Edges that hash evenly never come near this many probes; then the table doubles, which separates
// keys that collide by chance. Keys that still collide in a nearly empty table were made to.
constexpr std::uint64_t kMaxProbes = 128;
constexpr std::size_t kMaxSlotsPerEdge = 32;
constexpr std::size_t kMinSlots = 4096;

}  // namespace

Trie::Trie() : slots_(64), mask_(63), values_(1, kNoValue) {}

void Trie::reserve(std::int64_t edges) {
  const auto wanted =
      std::bit_ceil(static_cast<std::size_t>(std::max<std::int64_t>(edges, 1)) * 5 / 3);
  values_.reserve(static_cast<std::size_t>(edges) + 1);
  while (slots_.size() < wanted) grow();
}

// The slot that holds the key, or the empty one it belongs in; null when it lies too far off.
std::uint64_t* Trie::slot_of(std::uint64_t key) {
  const std::uint64_t home = hash(key);
  for (std::uint64_t probe = 0; probe < kMaxProbes; ++probe) {
    std::uint64_t& slot = slots_[(home + probe) & mask_];
    if (slot == 0 || slot >> kKeyShift == key) return &slot;
  }
  return nullptr;
}

// Moves the edges to a table of twice the size, or more where they do not fit near their places.
void Trie::grow() {
  const std::vector<std::uint64_t> old = std::move(slots_);
  std::size_t size = old.size();
  for (bool placed = false; !placed;) {
    size *= 2;
    slots_.assign(size, 0);
    mask_ = size - 1;
    placed = std::all_of(old.begin(), old.end(), [&](std::uint64_t edge) {
      if (edge == 0) return true;
      std::uint64_t* slot = slot_of(edge >> kKeyShift);
      if (slot != nullptr) *slot = edge;
      return slot != nullptr;
    });
    if (!placed) check_collisions();
  }
}

// Called when a key found no slot: more room helps against chance only.
void Trie::check_collisions() const {
  if (slots_.size() > kMinSlots && slots_.size() / kMaxSlotsPerEdge > values_.size()) {
    throw Error(ErrorCode::kLimit, "vocabulary: the tokens collide in the hash table");
  }
}

std::int32_t Trie::insert(std::string_view key, std::int32_t value) {
  Node node = kRoot;
  std::uint64_t* edge = nullptr;
  for (const char byte : key) {
    const std::uint64_t k = key_of(node, byte);
    edge = slot_of(k);
    while (edge == nullptr || (*edge == 0 && values_.size() * 5 > slots_.size() * 3)) {
      if (edge == nullptr) check_collisions();
      grow();
      edge = slot_of(k);
    }
    if (*edge == 0) {
      if (values_.size() == kMaxNodes) {
        throw Error(ErrorCode::kLimit, "vocabulary: more than " + std::to_string(kMaxNodes) +
                                           " distinct prefixes of tokens");
      }
      *edge = (k << kKeyShift) | (std::uint64_t{values_.size()} << 1);
      values_.push_back(kNoValue);
    }
    node = static_cast<Node>(*edge >> 1) & (kMaxNodes - 1);
  }
  if (edge != nullptr) *edge |= 1;
  return std::exchange(values_[node], value);
}

Trie::Node Trie::find(std::string_view key) const {
  Node node = kRoot;
  for (const char byte : key) {
    node = step(node, byte).node;
    if (node == kNone) break;
  }
  return node;
}

std::int32_t Trie::get(std::string_view key) const {
  const Node node = find(key);
  return node == kNone ? kNoValue : values_[node];
}

}  // namespace linnet::tokenizer
