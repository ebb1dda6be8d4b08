#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "engine/core/function_ref.h"
#include "engine/generate/likelihood.h"

// How well a language model predicts a text.
namespace linnet::tools {

struct PerplexityOptions {
  std::optional<std::int64_t> max_length;  // of a window; without one the model's positions
  std::optional<std::int64_t> stride;      // without one half a window
  ScoredUpTo up_to = ScoredUpTo::kLast;
  /// kInt8: windows run through such a cache, and score what a text gets that is generated with it.
  CacheType cache = CacheType::kFloat32;
};

struct Perplexity {
  std::int64_t tokens = 0, windows = 0, scored = 0, max_length = 0, stride = 0;
  double nll = 0;  // the sum of -log p

  double mean() const { return nll / static_cast<double>(scored); }
  /// exp(mean())
  double value() const;
};

/// Scores `ids` in strided_windows(); `scored` is told each token and its log-probability. Throws
/// kInvalidArgument for a window that is longer than the model has positions and for a text of
/// fewer than 2 tokens.
Perplexity measure_perplexity(Gpt2Session& session, std::span<const std::int32_t> ids,
                              const PerplexityOptions& options,
                              FunctionRef<void(std::int64_t token, double logprob)> scored = {});

/// All of a file, decompressed. Throws kLimit for more than 2 GiB.
std::string read_text(const std::string& path);

}  // namespace linnet::tools
