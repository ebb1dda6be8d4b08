#include "tokenizer/token_index.h"

#include <utility>

namespace linnet::tokenizer {

TokenIndex::Key TokenIndex::key_of(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  std::array<char, 16> bytes{};
  std::copy(text.begin(), text.end(), bytes.begin());
  std::uint64_t low = 0, high = 0;
  std::memcpy(&low, bytes.data(), 8);
  std::memcpy(&high, bytes.data() + 8, 8);
  return key_of(low, high, static_cast<std::int64_t>(text.size()));
}

// The slot that holds a key, or the empty one it belongs in; null when it lies too far off.
TokenIndex::Slot* TokenIndex::slot_of(Key key) {
  const std::uint64_t home = hash(key);
  for (std::uint64_t probe = 0; probe < kMaxProbes; ++probe) {
    Slot& slot = slots_[(home + probe) & mask_];
    if (slot.high == 0 || (slot.low == key.low && (slot.high & kKeyBits) == key.high)) return &slot;
  }
  return nullptr;
}

void TokenIndex::reserve(std::int64_t count) {
  const std::size_t slots = std::bit_ceil(static_cast<std::size_t>(2 * count));
  if (!spilled_ && slots > slots_.size()) grow(slots);
}

// More slots. Keys hash evenly unless they were chosen not to.
void TokenIndex::grow(std::size_t slots) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
  mask_ = slots - 1;
  for (const Slot& s : old) {
    if (s.high == 0) continue;
    Slot* slot = slot_of({s.low, s.high & kKeyBits});
    if (slot == nullptr) return spill(old);
    *slot = s;
  }
}

// Moves everything to the trie.
void TokenIndex::spill(const std::vector<Slot>& slots) {
  for (const Slot& s : slots) {
    if (s.high == 0) continue;
    std::array<char, 16> bytes{};
    std::memcpy(bytes.data(), &s.low, 8);
    std::memcpy(bytes.data() + 8, &s.high, 4);
    long_.insert({bytes.data(), static_cast<std::size_t>((s.high >> 32) & 15)},
                 static_cast<std::int32_t>(s.high >> kValueShift));
  }
  slots_ = std::vector<Slot>(16);
  mask_ = slots_.size() - 1;
  spilled_ = true;
}

std::int32_t TokenIndex::insert(std::string_view text, std::int32_t value) {
  if (spilled_ || static_cast<std::int64_t>(text.size()) > kKeyBytes)
    return long_.insert(text, value);
  if (2 * (used_ + 1) > static_cast<std::int64_t>(slots_.size())) grow(2 * slots_.size());
  const Key key = key_of(text);
  Slot* slot = spilled_ ? nullptr : slot_of(key);
  if (slot == nullptr) {
    if (!spilled_) spill(slots_);
    return long_.insert(text, value);
  }
  if (text.size() >= 3) {
    lengths_[filter(key.low)] |= static_cast<std::uint16_t>(1u << text.size());
  }
  const std::int32_t old =
      slot->high == 0 ? kNoValue : static_cast<std::int32_t>(slot->high >> kValueShift);
  if (slot->high == 0) ++used_;
  *slot = {key.low, key.high | (static_cast<std::uint64_t>(value) << kValueShift)};
  return old;
}

std::int32_t TokenIndex::get(std::string_view text) const {
  if (text.empty()) return kNoValue;
  if (spilled_ || static_cast<std::int64_t>(text.size()) > kKeyBytes) return long_.get(text);
  return find(key_of(text));
}

TokenIndex::Match TokenIndex::longest_in_trie(std::string_view text) const {
  Match match{kNoValue, 0};
  Trie::Step step{Trie::kRoot, false};
  for (std::size_t at = 0; at < text.size(); ++at) {
    step = long_.step(step.node, text[at]);
    if (step.node == Trie::kNone) break;
    if (step.has_value) match = {long_.value(step.node), static_cast<std::int64_t>(at) + 1};
  }
  return match;
}

}  // namespace linnet::tokenizer
