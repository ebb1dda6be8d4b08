#pragma once

#include <cstdint>

namespace linnet {

/// Quantises the rows of w [N, K], the output channels of a layer, in double:
///   amax = max_k |w[n,k]|   q[n,k] = round_half_even(w[n,k] · 127 / amax)   scale[n] = amax / 127
/// A channel of zeros has q = 0 and scale 0. w is finite.
void quantize_channels_s8(std::int8_t* q, float* scale, const float* w, std::int64_t N,
                          std::int64_t K);

}  // namespace linnet
