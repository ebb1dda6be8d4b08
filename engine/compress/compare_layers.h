#pragma once

#include <vector>

#include "engine/core/batch.h"
#include "engine/core/memory.h"
#include "engine/ops/linear.h"

// What INT8 costs a layer, and what it costs at the output.
namespace linnet::compress {

/// The products of two layers with the same inputs.
class LayerProducts {
 public:
  LayerProducts(Threads& threads, const kernels::KernelTable& kernels, std::int64_t widest_N,
                std::int64_t widest_K);

  /// Of x·Wᵀ without the bias, in decibels: LayerQuality::snr_db.
  double snr_db(Mat<const float> x, Linear exact, Linear int8);

 private:
  Threads& threads_;
  const kernels::KernelTable& kernels_;
  std::vector<float> exact_, int8_;
  Block scratch_;
};

/// The cosines between the means of hidden states [T, D] over the tokens of a sequence: their mean
/// over all sequences, and the least.
struct OutputCosines {
  double mean = 0, least = 1;
};
OutputCosines compare_outputs(const Batch& batch, Mat<const float> exact, Mat<const float> int8);

}  // namespace linnet::compress
