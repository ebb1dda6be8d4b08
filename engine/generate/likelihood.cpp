// Dimension key: E model width, V vocabulary.
#include "engine/generate/likelihood.h"

#include <algorithm>
#include <string>

#include "engine/core/math.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

constexpr std::int64_t kRows = 64;  // logits that are kept at a time

double logprob_of(const float* logits, std::int64_t V, std::int32_t token) {
  const double max = *std::max_element(logits, logits + V);
  double sum = 0;
  for (std::int64_t v = 0; v < V; ++v) sum += math::exp(static_cast<double>(logits[v]) - max);
  return static_cast<double>(logits[token]) - max - math::log(sum);
}

}  // namespace

std::vector<LikelihoodWindow> strided_windows(std::int64_t n, std::int64_t max_length,
                                              std::int64_t stride, ScoredUpTo up_to) {
  if (max_length < 2 || stride < 1 || stride > max_length) {
    throw Error(ErrorCode::kInvalidArgument, "windows of " + std::to_string(max_length) +
                                                 " tokens with stride " + std::to_string(stride) +
                                                 ", expected at least 2 and 1 to that many");
  }
  std::vector<LikelihoodWindow> windows;
  const std::int64_t next = up_to == ScoredUpTo::kNext ? 1 : 0;
  std::int64_t done = next;  // nothing scores the first token
  for (std::int64_t begin = 0; done < n; begin += stride) {
    const std::int64_t end = std::min(begin + max_length, n - next);
    windows.push_back({begin, end, std::max(done, begin + 1), next});
    done = end + next;
  }
  return windows;
}

Likelihood::Likelihood(Gpt2Session& session, KvCache* cache) : session_(session), cache_(cache) {
  const Gpt2Model& m = session.model();
  if (m.head_kind != HeadKind::kCausalLm) {
    throw Error(ErrorCode::kInvalidArgument, std::string("likelihood: the model has the head ") +
                                                 name(m.head_kind) +
                                                 ", expected a language-model head");
  }
  chosen_.resize(static_cast<std::size_t>(kRows * m.config.n_embd));
  logits_.resize(static_cast<std::size_t>(kRows * m.config.vocab_size));
  logprobs_.resize(static_cast<std::size_t>(kRows));
}

void Likelihood::score_rows(const Context& ctx, Mat<const float> hidden,
                            std::span<const std::int64_t> at, std::span<const Row> rows,
                            std::span<const std::int32_t> tokens, Use use) {
  const std::int64_t E = hidden.cols, V = session_.model().config.vocab_size;
  const auto n = static_cast<std::int64_t>(rows.size());
  const Mat<float> chosen{chosen_.data(), n, E, E}, logits{logits_.data(), n, V, V};
  for (std::int64_t r = 0; r < n; ++r) {
    std::copy_n(hidden.row(at[static_cast<std::size_t>(r)]), E, chosen.row(r));
  }
  session_.vocabulary_logits(ctx, logits, chosen);
  parallel_for(ctx.threads, n, 4096 / V + 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      const auto token = static_cast<std::size_t>(rows[static_cast<std::size_t>(r)].token);
      logprobs_[static_cast<std::size_t>(r)] = logprob_of(logits.row(r), V, tokens[token]);
    }
  });
  for (std::size_t r = 0; r < rows.size(); ++r) use(rows[r].window, rows[r].token, logprobs_[r]);
}

void Likelihood::score(std::span<const std::int32_t> tokens,
                       std::span<const LikelihoodWindow> windows, Use use) {
  if (cache_ == nullptr) return score_together(tokens, windows, 0, use);
  const auto places = static_cast<std::size_t>(cache_->shape().sequences);
  for (std::size_t w = 0; w < windows.size(); w += places) {
    for (std::size_t i = 0; i < places; ++i) cache_->truncate(static_cast<std::int64_t>(i), 0);
    score_together(tokens, windows.subspan(w, std::min(places, windows.size() - w)),
                   static_cast<std::int64_t>(w), use);
  }
}

// Windows that run packed; the first of them has this index.
void Likelihood::score_together(std::span<const std::int32_t> tokens,
                                std::span<const LikelihoodWindow> windows,
                                std::int64_t first_window, Use use) {
  std::vector<std::int32_t> ids, positions;
  std::vector<std::int64_t> places;
  std::vector<std::int64_t> starts{0};
  std::vector<Row> all;          // what is scored, in order
  std::vector<std::int64_t> at;  // the token of the batch whose hidden state scores it
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const LikelihoodWindow& window = windows[w];
    const std::int64_t shift = static_cast<std::int64_t>(ids.size()) - window.begin;
    for (std::int64_t t = window.begin; t < window.end; ++t) {
      ids.push_back(tokens[static_cast<std::size_t>(t)]);
      positions.push_back(static_cast<std::int32_t>(t - window.begin));
    }
    starts.push_back(static_cast<std::int64_t>(ids.size()));
    if (cache_ != nullptr) places.push_back(static_cast<std::int64_t>(w));
    for (std::int64_t t = window.first; t < window.end + window.next; ++t) {
      all.push_back({first_window + static_cast<std::int64_t>(w), t});
      at.push_back(t - 1 + shift);
    }
  }
  std::size_t next = 0;
  session_.for_each_part({ids, positions, {}, starts}, {cache_, places},
                         [&](const Context& ctx, const Gpt2Session::Part& part) {
                           const std::int64_t end = part.first_token + part.batch.T();
                           while (next < all.size() && at[next] < end) {
                             std::vector<std::int64_t> local;
                             const std::size_t begin = next;
                             for (; next < all.size() && at[next] < end &&
                                    static_cast<std::int64_t>(local.size()) < kRows;
                                  ++next) {
                               local.push_back(at[next] - part.first_token);
                             }
                             score_rows(ctx, part.hidden, local,
                                        std::span(all).subspan(begin, next - begin), tokens, use);
                           }
                         });
}

}  // namespace linnet
