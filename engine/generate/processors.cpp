// Dimension key: V vocabulary.
#include "engine/generate/processors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "engine/core/assert.h"
#include "engine/core/math.h"
#include "engine/core/random.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

constexpr float kBanned = -std::numeric_limits<float>::infinity();

bool has(std::span<const std::int32_t> tokens, std::int32_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

void ban(std::span<float> scores, std::int32_t token) {
  if (token >= 0 && static_cast<std::size_t>(token) < scores.size()) {
    scores[static_cast<std::size_t>(token)] = kBanned;
  }
}

// score / penalty, or · penalty below 0, once an id. Source: CTRL, arXiv:1909.05858, section 4.1.
void penalise_repetition(std::span<float> scores, double penalty,
                         std::span<const std::int32_t> tokens) {
  const auto factor = static_cast<float>(penalty);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (has(tokens.first(i), tokens[i])) continue;
    float& score = scores[static_cast<std::size_t>(tokens[i])];
    score = score < 0 ? score * factor : score / factor;
  }
}

void penalise_presence(std::span<float> scores, const GenerationParameters& p,
                       std::span<const std::int32_t> generated) {
  for (std::size_t i = 0; i < generated.size(); ++i) {
    double penalty = p.frequency_penalty;
    if (!has(generated.first(i), generated[i])) penalty += p.presence_penalty;
    scores[static_cast<std::size_t>(generated[i])] -= static_cast<float>(penalty);
  }
}

// Bans what would complete an n-gram that is there already.
void ban_ngrams(std::span<float> scores, std::int64_t n, std::span<const std::int32_t> tokens) {
  const auto size = static_cast<std::int64_t>(tokens.size());
  if (size < n) return;
  const auto last = tokens.last(static_cast<std::size_t>(n - 1));
  for (std::int64_t i = 0; i + n <= size; ++i) {
    const auto gram = tokens.subspan(static_cast<std::size_t>(i), static_cast<std::size_t>(n));
    if (std::equal(last.begin(), last.end(), gram.begin())) ban(scores, gram.back());
  }
}

void ban_words(std::span<float> scores, const GenerationParameters& p,
               std::span<const std::int32_t> tokens) {
  for (const std::vector<std::int32_t>& word : p.bad_words_ids) {
    const std::span<const std::int32_t> before(word.data(), word.size() - 1);
    if (before.size() > tokens.size()) continue;
    const auto last = tokens.last(before.size());
    // A word that only ends a sequence is no bad word: generating would never end.
    if (word.size() == 1 && has(p.eos_token_id, word[0])) continue;
    if (std::equal(before.begin(), before.end(), last.begin())) ban(scores, word.back());
  }
}

bool better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.token < b.token;
}

}  // namespace

void process_scores(std::span<float> scores, const GenerationParameters& p,
                    const History& history) {
  const auto generated = history.tokens.subspan(static_cast<std::size_t>(history.prompt));
  if (p.repetition_penalty != 1) penalise_repetition(scores, p.repetition_penalty, history.tokens);
  if (p.presence_penalty != 0 || p.frequency_penalty != 0) penalise_presence(scores, p, generated);
  if (p.no_repeat_ngram_size > 0) ban_ngrams(scores, p.no_repeat_ngram_size, history.tokens);
  ban_words(scores, p, history.tokens);
  if (history.generated() < p.min_new_tokens ||
      static_cast<std::int64_t>(history.tokens.size()) < p.min_length) {
    for (const std::int32_t eos : p.eos_token_id) ban(scores, eos);
  }
}

void Sampler::sort() { std::sort(candidates_.begin(), candidates_.end(), better); }

void Sampler::keep(std::int64_t n) {
  if (n < static_cast<std::int64_t>(candidates_.size())) {
    candidates_.resize(static_cast<std::size_t>(n));
  }
}

// probability_ of the sorted candidates.
void Sampler::softmax() {
  probability_.clear();
  double sum = 0;
  for (const Candidate& c : candidates_) {
    probability_.push_back(
        math::exp(static_cast<double>(c.score) - static_cast<double>(candidates_[0].score)));
    sum += probability_.back();
  }
  for (double& p : probability_) p /= sum;
}

double Sampler::entropy() const {
  double entropy = 0;
  for (const double p : probability_) {
    if (p > 0) entropy -= p * math::log(p);
  }
  return entropy;
}

std::span<const Candidate> Sampler::candidates(std::span<const float> scores,
                                               const GenerationParameters& p) {
  candidates_.clear();
  const auto temperature = static_cast<float>(p.temperature);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == kBanned) continue;
    if (std::isnan(scores[i])) throw Error(ErrorCode::kNumeric, "generate: a score is NaN");
    candidates_.push_back({scores[i] / temperature, static_cast<std::int32_t>(i)});
  }
  if (candidates_.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "generate: every token is banned");
  }
  const std::int64_t least = p.min_tokens_to_keep;
  const auto size = [&] { return static_cast<std::int64_t>(candidates_.size()); };
  // Keeps those whose probability is `floor` or more, and any that is as good as the least-th.
  const auto keep_above = [&](double floor) {
    const float last = candidates_[static_cast<std::size_t>(std::min(least, size()) - 1)].score;
    std::int64_t n = 0;
    while (n < size() && (probability_[static_cast<std::size_t>(n)] >= floor ||
                          candidates_[static_cast<std::size_t>(n)].score >= last)) {
      ++n;
    }
    keep(n);
  };

  if (p.top_k > 0 && std::max(p.top_k, least) < size()) {
    const auto kth = candidates_.begin() + std::max(p.top_k, least) - 1;
    std::nth_element(candidates_.begin(), kth, candidates_.end(), better);
    const float last = kth->score;  // those tied with it stay
    std::erase_if(candidates_, [&](const Candidate& c) { return c.score < last; });
  }
  sort();
  if (p.top_p < 1) {
    softmax();
    double before = 0;
    std::int64_t n = 0;
    while (n < size() && (before < p.top_p || n < least)) {
      before += probability_[static_cast<std::size_t>(n++)];
    }
    keep(std::max<std::int64_t>(n, 1));
  }
  if (p.min_p > 0) {
    softmax();
    const double floor = p.min_p * probability_[0];
    std::int64_t n = 0;
    while (n < size() && (probability_[static_cast<std::size_t>(n)] >= floor || n < least)) ++n;
    keep(n);
  }
  if (p.typical_p < 1) keep_typical(p.typical_p, least);
  if (p.epsilon_cutoff > 0) {
    softmax();
    keep_above(p.epsilon_cutoff);
  }
  if (p.eta_cutoff > 0) {
    softmax();
    keep_above(std::min(p.eta_cutoff, std::sqrt(p.eta_cutoff) * math::exp(-entropy())));
  }
  return candidates_;
}

// Those whose surprise is nearest to the expected one, up to the mass.
// Source: Locally Typical Sampling, arXiv:2202.00666.
void Sampler::keep_typical(double mass, std::int64_t least) {
  softmax();
  const double expected = entropy();
  const std::size_t n = candidates_.size();
  surprise_.resize(n);
  order_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    surprise_[i] = std::abs(-math::log(probability_[i]) - expected);
    order_[i] = static_cast<std::int32_t>(i);
  }
  const auto at = [](std::int32_t i) { return static_cast<std::size_t>(i); };
  std::stable_sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
    return surprise_[at(a)] < surprise_[at(b)];
  });
  double sum = 0;
  std::size_t last = 0;
  for (; last + 1 < n; ++last) {
    sum += probability_[at(order_[last])];
    if (sum >= mass) break;
  }
  last = std::max(last, std::min(n, static_cast<std::size_t>(least)) - 1);
  const double limit = surprise_[at(order_[last])];
  std::size_t kept = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (surprise_[i] <= limit) candidates_[kept++] = candidates_[i];
  }
  candidates_.resize(kept);
}

std::int32_t Sampler::choose(std::span<const Candidate> candidates, double uniform) {
  LINNET_ASSERT(candidates.data() == candidates_.data());
  softmax();
  double sum = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    sum += probability_[i];
    if (uniform < sum) return candidates[i].token;
  }
  return candidates.back().token;  // the sum was below 1 by rounding
}

std::int32_t greatest(std::span<const float> scores) {
  // The greatest of a block, side by side in lanes; then where it stands in the best block.
  constexpr std::size_t kLanes = 16, kBlock = 64 * kLanes;
  std::size_t best_block = 0;
  float best = kBanned;
  for (std::size_t block = 0; block < scores.size(); block += kBlock) {
    const std::span<const float> x = scores.subspan(block, std::min(kBlock, scores.size() - block));
    std::array<float, kLanes> most;
    std::array<std::int32_t, kLanes> is_nan{};
    most.fill(kBanned);
    const auto look = [&](std::size_t lane, float value) {
      most[lane] = value > most[lane] ? value : most[lane];
      is_nan[lane] |= static_cast<std::int32_t>(std::isnan(value));
    };
    std::size_t i = 0;
    for (; i + kLanes <= x.size(); i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) look(lane, x[i + lane]);
    }
    for (std::size_t lane = 0; i < x.size(); ++i, ++lane) look(lane, x[i]);
    if (std::count(is_nan.begin(), is_nan.end(), 0) != kLanes) {
      throw Error(ErrorCode::kNumeric, "generate: a score is NaN");
    }
    const float here = *std::max_element(most.begin(), most.end());
    if (here > best) {
      best = here;
      best_block = block;
    }
  }
  if (best == kBanned) {
    throw Error(ErrorCode::kInvalidArgument, "generate: every token is banned");
  }
  const auto first = scores.begin() + static_cast<std::ptrdiff_t>(best_block);
  return static_cast<std::int32_t>(std::find(first, scores.end(), best) - scores.begin());
}

void log_softmax(std::span<double> y, std::span<const float> scores) {
  const double max = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const float s : scores) sum += math::exp(static_cast<double>(s) - max);
  const double shift = max + math::log(sum);
  for (std::size_t i = 0; i < scores.size(); ++i) y[i] = static_cast<double>(scores[i]) - shift;
}

double sampling_uniform(std::uint64_t seed, std::int64_t sequence, std::int64_t step) {
  const auto words = philox({static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(sequence),
                             static_cast<std::uint32_t>(static_cast<std::uint64_t>(sequence) >> 32),
                             random_stream(RandomPurpose::kSampling, 0, 0)},
                            seed);
  const std::uint64_t bits = std::uint64_t{words[0]} << 21 | words[1] >> 11;  // 53 of them
  return static_cast<double>(bits) * 0x1p-53;
}

}  // namespace linnet
