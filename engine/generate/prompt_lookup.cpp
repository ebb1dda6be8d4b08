#include "engine/generate/prompt_lookup.h"

#include <algorithm>

namespace linnet {

void guess_tokens(std::vector<std::int32_t>& guess, std::span<const std::int32_t> tokens,
                  std::int64_t ngram, std::int64_t count) {
  guess.clear();
  const std::size_t n = tokens.size();
  if (count < 1 || n == 0) return;
  std::size_t longest = 0, from = 0;  // the match, and where it goes on
  const std::size_t most = std::min(static_cast<std::size_t>(ngram), n);
  for (std::size_t end = n; --end > 0 && longest < most;) {
    std::size_t same = 0;
    while (same < most && same < end && tokens[end - 1 - same] == tokens[n - 1 - same]) ++same;
    if (same > longest) {
      longest = same;
      from = end;
    }
  }
  if (longest == 0) return;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const std::size_t at = from + i;
    guess.push_back(at < n ? tokens[at] : guess[at - n]);
  }
}

}  // namespace linnet
