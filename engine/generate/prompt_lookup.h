#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace linnet {

/// A guess at how `tokens` go on: what followed the last earlier occurrence of their last `ngram`
/// tokens, or of fewer where there is none; up to `count` tokens, none when not even the last token
/// has come before. What ends with the tokens goes on with the guess itself, so that a loop is
/// guessed at any length. Source: prompt lookup decoding (A. Saxena, 2023), there without the loop.
void guess_tokens(std::vector<std::int32_t>& guess, std::span<const std::int32_t> tokens,
                  std::int64_t ngram, std::int64_t count);

}  // namespace linnet
