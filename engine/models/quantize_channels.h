#pragma once

#include <cstdint>

namespace linnet {

/// Quantises one output channel of a layer, w [K], in double, and returns its scale:
///   amax = max_k |w[k]|   q[k] = round_half_even(w[k] · 127 / amax)   scale = amax / 127
/// A channel of zeros has q = 0 and scale 0. w is finite.
float quantize_channel_s8(std::int8_t* q, const double* w, std::int64_t K);

/// The same for each row of w [N, K].
void quantize_channels_s8(std::int8_t* q, float* scale, const float* w, std::int64_t N,
                          std::int64_t K);

}  // namespace linnet
