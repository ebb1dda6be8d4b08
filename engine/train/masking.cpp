#include "engine/train/masking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/random.h"
#include "engine/ops/losses.h"

namespace linnet::train {
namespace {

// What one call of the generator is for.
enum Draw : std::uint32_t { kToken, kWordOrder };

std::array<std::uint32_t, 4> draw(const Masking& m, const MaskingSample& s, Draw what,
                                  std::size_t element) {
  const std::uint32_t stream = random_stream(RandomPurpose::kMasking, 0, what);
  return philox({static_cast<std::uint32_t>(element), s.example, s.epoch, stream}, m.seed);
}

bool is_special(const Masking& masking, std::int32_t token) {
  return masking.special[static_cast<std::size_t>(token)] != 0;
}

// One of the chosen tokens; two words of the same draw decide what becomes of it.
void hide(const Masking& masking, std::uint32_t which, std::uint32_t id, std::int32_t& token,
          std::int64_t& label) {
  label = token;
  const float u = uniform(which);
  if (u < 0.8f) {
    token = masking.mask_token;
  } else if (u < 0.9f) {
    const auto V = static_cast<std::uint64_t>(masking.vocab_size());
    token = static_cast<std::int32_t>(std::uint64_t{id} * V >> 32);
  }
}

// First tokens of the words and, last, the end; special tokens are words of their own.
std::vector<std::size_t> words_of(const Masking& masking, std::span<const std::int32_t> tokens) {
  std::vector<std::size_t> starts;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const bool inside = t > 0 && masking.continues[static_cast<std::size_t>(tokens[t])] != 0 &&
                        !is_special(masking, tokens[t - 1]);
    if (!inside) starts.push_back(t);
  }
  starts.push_back(tokens.size());
  return starts;
}

// 1 for each token of the words that are chosen.
std::vector<std::uint8_t> choose_words(const Masking& masking, const MaskingSample& sample,
                                       std::span<const std::int32_t> tokens) {
  const std::vector<std::size_t> starts = words_of(masking, tokens);
  std::vector<std::size_t> order(starts.size() - 1);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order, [&](std::size_t w) { return is_special(masking, tokens[starts[w]]); });
  // Fisher and Yates.
  for (std::size_t i = order.size(); i > 1; --i) {
    const std::uint64_t word = draw(masking, sample, kWordOrder, i)[0];
    std::swap(order[i - 1], order[static_cast<std::size_t>(word * i >> 32)]);
  }
  std::vector<std::uint8_t> chosen(tokens.size());
  const double share = masking.probability * static_cast<double>(tokens.size());
  const auto wanted = static_cast<std::size_t>(std::max(1.0, std::nearbyint(share)));
  std::size_t count = 0;
  for (const std::size_t w : order) {
    const std::size_t length = starts[w + 1] - starts[w];
    if (count + length > wanted) continue;  // a word that would be too many is passed over
    count += length;
    std::fill_n(chosen.begin() + static_cast<std::ptrdiff_t>(starts[w]), length, std::uint8_t{1});
  }
  return chosen;
}

}  // namespace

void mask(const Masking& masking, const MaskingSample& sample, std::span<std::int32_t> tokens,
          std::span<std::int64_t> labels) {
  std::vector<std::uint8_t> words;
  if (masking.whole_words()) words = choose_words(masking, sample, tokens);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    labels[t] = kIgnoreLabel;
    const auto random = draw(masking, sample, kToken, t);
    const bool chosen = masking.whole_words()
                            ? words[t] != 0
                            : !is_special(masking, tokens[t]) &&
                                  static_cast<double>(uniform(random[0])) < masking.probability;
    if (chosen) hide(masking, random[1], random[2], tokens[t], labels[t]);
  }
}

}  // namespace linnet::train
