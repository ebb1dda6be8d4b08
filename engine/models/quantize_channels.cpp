#include "engine/models/quantize_channels.h"

#include <algorithm>
#include <cmath>

namespace linnet {
namespace {

template <class T>
float quantize_channel(std::int8_t* q, const T* w, std::int64_t K) {
  double amax = 0;
  for (std::int64_t k = 0; k < K; ++k) amax = std::max(amax, std::abs(double{w[k]}));
  for (std::int64_t k = 0; k < K; ++k) {
    // |w| <= amax, so the quotient is within ±127; lrint rounds half to even.
    q[k] = amax > 0 ? static_cast<std::int8_t>(std::lrint(w[k] * 127.0 / amax)) : std::int8_t{0};
  }
  return static_cast<float>(amax / 127);
}

}  // namespace

float quantize_channel_s8(std::int8_t* q, const double* w, std::int64_t K) {
  return quantize_channel(q, w, K);
}

void quantize_channels_s8(std::int8_t* q, float* scale, const float* w, std::int64_t N,
                          std::int64_t K) {
  for (std::int64_t n = 0; n < N; ++n) scale[n] = quantize_channel(q + n * K, w + n * K, K);
}

}  // namespace linnet
