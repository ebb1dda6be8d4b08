#pragma once

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet {

/// How a sequence of hidden states becomes one vector (sentence-transformers, models/Pooling).
enum class Pooling {
  kCls,           ///< the first token
  kMax,           ///< the maximum of each column over the tokens
  kMean,          ///< Σ h / n
  kMeanSqrtLen,   ///< Σ h / √n
  kWeightedMean,  ///< Σ t·h_t / Σ t, t = 1..n
  kLastToken,     ///< the last token
};

/// y [B, D]: one pooled row a sequence of h [T, D]. The first skip[b] tokens of sequence b take no
/// part in sums and maxima (skip empty: none), as when a prompt is left out; kCls and kLastToken
/// look at the whole sequence. Sums are chains over the tokens. A sequence whose tokens are all
/// skipped gives 0.
void pool(const Context& ctx, Mat<float> y, Mat<const float> h, Pooling mode, const Batch& batch,
          std::span<const std::int64_t> skip = {});

}  // namespace linnet
