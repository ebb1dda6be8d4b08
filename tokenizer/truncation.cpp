#include "tokenizer/truncation.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tokenizer/error.h"

namespace linnet::tokenizer {
namespace {

// What is left of the one text that gives up the whole excess.
std::int64_t shorten(const char* which, std::int64_t n, std::int64_t excess) {
  if (n <= excess) {
    throw TokenizerError(Reason::kSequenceTooShort, std::string("truncation: the ") + which +
                                                        " text has " + std::to_string(n) +
                                                        " tokens, expected more than the " +
                                                        std::to_string(excess) + " to remove");
  }
  return n - excess;
}

KeptLengths longest_first(std::int64_t n1, std::int64_t n2, std::int64_t room) {
  const bool swapped = n1 > n2;
  if (swapped) std::swap(n1, n2);
  n2 = n1 > room ? n1 : std::max(n1, room - n1);
  if (n1 + n2 > room) {
    n1 = room / 2;
    n2 = n1 + room % 2;
  }
  if (swapped) std::swap(n1, n2);
  return {n1, n2};
}

}  // namespace

KeptLengths truncate(Truncation strategy, Texts texts, std::int64_t n1, std::int64_t n2,
                     std::int64_t room) {
  const std::int64_t excess = n1 + n2 - room;
  if (strategy == Truncation::kNone || excess <= 0) return {n1, n2};
  if (room == 0) return {0, 0};
  if (strategy == Truncation::kOnlySecond) {
    if (texts == Texts::kOne) {
      throw TokenizerError(Reason::kSecondSequenceNotProvided,
                           "truncation: only_second needs a pair, found one text");
    }
    return {n1, shorten("second", n2, excess)};
  }
  if (texts == Texts::kOne) return {room, 0};
  if (strategy == Truncation::kOnlyFirst) return {shorten("first", n1, excess), n2};
  return longest_first(n1, n2, room);
}

Window first_window(std::int64_t n, std::int64_t size, std::int64_t stride, Side side) {
  if (n <= size) return {0, n};
  if (size > 0 && (stride < 0 || stride >= size)) {
    throw TokenizerError(Reason::kStrideTooLarge, "truncation: stride " + std::to_string(stride) +
                                                      ", expected 0 or more and less than the " +
                                                      std::to_string(size) + " tokens of a window");
  }
  return side == Side::kRight ? Window{0, size} : Window{n - size, n};
}

std::vector<Window> windows(std::int64_t n, std::int64_t size, std::int64_t stride, Side side) {
  Window w = first_window(n, size, stride, side);
  std::vector<Window> all{w};
  if (n <= size) return all;
  if (size == 0) return {{0, 0}, {0, n}};
  const std::int64_t step = size - stride;
  while (side == Side::kRight ? w.end < n : w.begin > 0) {
    if (side == Side::kRight) {
      w.begin += step;
      w.end = std::min(w.begin + size, n);
    } else {
      w.end -= step;
      w.begin = std::max<std::int64_t>(w.end - size, 0);
    }
    all.push_back(w);
  }
  return all;
}

}  // namespace linnet::tokenizer
