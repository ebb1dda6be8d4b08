#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/options.h"

namespace linnet::tokenizer {

/// A range of the tokens of one text.
struct Window {
  std::int64_t begin;
  std::int64_t end;
};

/// How many tokens of each text are kept.
struct KeptLengths {
  std::int64_t first;
  std::int64_t second;
};

/// Which texts there are.
enum class Texts { kOne, kPair };

/// Lengths after truncation of texts of n1 and n2 tokens (n2 = 0 for one text) to `room` tokens
/// together, `room` >= 0. Throws TokenizerError. The longer text of a pair loses first, in closed
/// form: with n1 <= n2, n2' = n1 > room ? n1 : max(n1, room - n1); if n1 + n2' > room still, both
/// get half of it and the longer one the odd token.
KeptLengths truncate(Truncation strategy, Texts texts, std::int64_t n1, std::int64_t n2,
                     std::int64_t room);

/// Windows of `size` tokens over n tokens, neighbours sharing `stride`: from the front, or with
/// side = kLeft from the back, until one reaches the other end. The first is the result, the rest
/// is overflow. Throws TokenizerError (kStrideTooLarge).
std::vector<Window> windows(std::int64_t n, std::int64_t size, std::int64_t stride, Side side);

/// windows(n, size, stride, side)[0].
Window first_window(std::int64_t n, std::int64_t size, std::int64_t stride, Side side);

}  // namespace linnet::tokenizer
