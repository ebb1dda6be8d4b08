#pragma once

#include <cstdint>
#include <span>

#include "engine/core/batch.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"
#include "engine/core/random.h"

namespace linnet {

/// The random numbers of one optimizer step. A mask is never stored: the same call on a gradient
/// drops the same elements.
struct DropoutStep {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  /// Of each sequence of the batch: its number in the step, whatever batch or machine it is in.
  std::span<const std::uint32_t> samples{};
};

/// One place in the model. A probability of 0 does nothing.
struct DropoutSite {
  float probability = 0;
  std::int64_t layer = 0;
  std::uint32_t site = 0;
};

/// Drops elements of the rows x [T, D] of the batch's tokens; element (position · D + feature) of
/// its sequence decides. What is kept is divided by 1 - p.
void dropout(const Context& ctx, Mat<float> x, const Batch& batch, const DropoutSite& site,
             const DropoutStep& step);

/// The same for one row a sequence, x [B, D]: position 0.
void dropout_rows(const Context& ctx, Mat<float> x, const DropoutSite& site,
                  const DropoutStep& step);

/// Kernel arguments of a site for sequence b; x, n and first are left to the caller.
kernels::DropoutF32Args dropout_args(const DropoutSite& site, const DropoutStep& step,
                                     std::int64_t b);

}  // namespace linnet
