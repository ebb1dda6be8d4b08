#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/models/gpt2_session.h"

namespace linnet {

/// Tokens [begin, end) of a text, read at positions 0, 1, …; those from `first` on are scored,
/// each by the tokens before it in the window: begin < first <= end. So is the token at `end`,
/// which the window does not read, if `next` is 1.
struct LikelihoodWindow {
  std::int64_t begin = 0, end = 0, first = 0, next = 0;
};

/// Up to where a window scores.
enum class ScoredUpTo {
  kLast,  ///< the last token that it reads
  kNext,  ///< the one after that
};

/// Windows over n tokens: window k begins at k · stride and has up to max_length tokens; the last
/// one is the first that scores the end. With kLast a window scores the tokens that no window
/// before it has read, without the first token of the window; with kNext those that none has
/// scored, so that only the first token of all goes without. Throws kInvalidArgument unless 1 <=
/// stride <= max_length and max_length >= 2.
std::vector<LikelihoodWindow> strided_windows(std::int64_t n, std::int64_t max_length,
                                              std::int64_t stride,
                                              ScoredUpTo up_to = ScoredUpTo::kLast);

/// log softmax(logits after the tokens before it)[token], natural logarithm, of every scored token
/// of every window, in order. Windows run packed, as many at a time as the session has memory for.
class Likelihood {
 public:
  /// The session must outlive it; its model needs a language-model head, else kInvalidArgument.
  /// With a cache, whose places it empties, attention reads keys and values as that keeps them: in
  /// FP32 the bits do not depend on it.
  explicit Likelihood(Gpt2Session& session, KvCache* cache = nullptr);

  /// (index of the window, index of the token in the text, its log-probability).
  using Use = FunctionRef<void(std::int64_t window, std::int64_t token, double logprob)>;
  void score(std::span<const std::int32_t> tokens, std::span<const LikelihoodWindow> windows,
             Use use);

 private:
  struct Row {
    std::int64_t window, token;  // scored by this row's hidden state
  };
  void score_together(std::span<const std::int32_t> tokens,
                      std::span<const LikelihoodWindow> windows, std::int64_t first_window,
                      Use use);
  void score_rows(const Context& ctx, Mat<const float> hidden, std::span<const std::int64_t> at,
                  std::span<const Row> rows, std::span<const std::int32_t> tokens, Use use);

  Gpt2Session& session_;
  KvCache* cache_;
  std::vector<float> chosen_, logits_;  // [rows, E], [rows, V]
  std::vector<double> logprobs_;        // [rows]
};

}  // namespace linnet
