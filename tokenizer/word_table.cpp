#include "tokenizer/word_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace linnet::tokenizer {

bool WordTable::fits(std::string_view word) {
  return !word.empty() && static_cast<std::int64_t>(word.size()) <= kMaxBytes &&
         std::all_of(word.begin(), word.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
         });
}

WordTable::Key WordTable::key_of(std::string_view word) {
  static_assert(std::endian::native == std::endian::little);
  std::array<char, 16> bytes{};
  std::copy(word.begin(), word.end(), bytes.begin());
  Key key;
  std::memcpy(&key.low, bytes.data(), 8);
  std::memcpy(&key.high, bytes.data() + 8, 8);
  return key;
}

void WordTable::reserve(std::int64_t words) {
  const std::size_t size =
      std::bit_ceil(2 * static_cast<std::size_t>(std::max<std::int64_t>(words, 1)));
  slots_.assign(size, Slot{});
  mask_ = size - 1;
}

void WordTable::insert(std::string_view word, std::int32_t id) {
  const Key key = key_of(word);
  const std::uint64_t home = hash(key);
  for (std::uint64_t probe = 0; probe < kMaxProbes; ++probe) {
    Slot& slot = slots_[(home + probe) & mask_];
    if (slot.high == 0) {
      slot = {key.low, key.high | (static_cast<std::uint64_t>(id + 1) << kIdShift)};
      return;
    }
  }
}

}  // namespace linnet::tokenizer
