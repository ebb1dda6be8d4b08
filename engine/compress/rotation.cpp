#include "engine/compress/rotation.h"

namespace linnet::compress {
namespace {

constexpr std::int64_t kLanes = 16;

// v[i], i < n, each of 16 numbers: the butterflies of a Hadamard matrix of order n. It is its own
// inverse but for the factor n.
void butterflies(double* v, std::int64_t n) {
  for (std::int64_t h = 1; h < n; h *= 2) {
    for (std::int64_t i = 0; i < n; ++i) {
      if ((i & h) != 0) continue;
      for (std::int64_t t = 0; t < kLanes; ++t) {
        double &a = v[kLanes * i + t], &b = v[kLanes * (i + h) + t];
        const double sum = a + b, difference = a - b;
        a = sum, b = difference;
      }
    }
  }
}

// The reflection I - 2/3·J of order 3, its own inverse.
void reflect_thirds(double* v, std::int64_t K64) {
  const std::int64_t third = K64 / 3;
  for (std::int64_t j = 0; j < third; ++j) {
    double &a = v[j], &b = v[third + j], &c = v[2 * third + j];
    const double s = 2 * ((a + b) + c) / 3;
    a -= s, b -= s, c -= s;
  }
}

// A Hadamard matrix of order 16, its own inverse but for the factor 16.
void mix_lanes(double* v) {
  for (std::int64_t h = 1; h < kLanes; h *= 2) {
    for (std::int64_t t = 0; t < kLanes; ++t) {
      if ((t & h) != 0) continue;
      const double sum = v[t] + v[t + h], difference = v[t] - v[t + h];
      v[t] = sum, v[t + h] = difference;
    }
  }
}

}  // namespace

Rotation default_rotation(std::int64_t K, InLane in_lane) {
  const std::int64_t registers = kernels::padded_k(K) / kLanes;
  Rotation rotation{.n = 32};
  while (registers % rotation.n != 0) rotation.n /= 2;
  if (in_lane == InLane::kYes && rotation.n <= 8) {
    rotation.in_lane = true;
  } else {
    rotation.thirds = rotation.n <= 16 && registers / rotation.n % 3 == 0;
  }
  return rotation;
}

bool is_valid(const Rotation& rotation, std::int64_t K) {
  const std::int64_t registers = kernels::padded_k(K) / kLanes;
  const std::int32_t n = rotation.n;
  if (n == 0) return !rotation.thirds && !rotation.in_lane;
  if (n < 0 || n > 32 || (n & (n - 1)) != 0 || registers % n != 0) return false;
  return !rotation.thirds || registers / n % 3 == 0;
}

void rotate(double* v, std::int64_t K64, const Rotation& rotation) {
  if (!rotation.any()) return;
  const std::int64_t block = kLanes * rotation.n;
  for (std::int64_t k = 0; k < K64; k += block) butterflies(v + k, rotation.n);
  if (rotation.thirds) reflect_thirds(v, K64);
  for (std::int64_t k = 0; rotation.in_lane && k < K64; k += kLanes) mix_lanes(v + k);
}

void unrotate(double* v, std::int64_t K64, const Rotation& rotation) {
  if (!rotation.any()) return;
  for (std::int64_t k = 0; rotation.in_lane && k < K64; k += kLanes) mix_lanes(v + k);
  if (rotation.thirds) reflect_thirds(v, K64);
  const std::int64_t block = kLanes * rotation.n;
  for (std::int64_t k = 0; k < K64; k += block) butterflies(v + k, rotation.n);
  const double gain = rotation.gain();
  for (std::int64_t k = 0; k < K64; ++k) v[k] /= gain;
}

}  // namespace linnet::compress
