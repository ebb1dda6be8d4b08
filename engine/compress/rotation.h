#pragma once

#include <cstdint>

#include "kernels/ops.h"

// The part of a kernels::RowTransform that needs no data, in double: what is done to the weights of
// a layer once, offline, so that its quantiser may do the same to every row of activations.
//
//   K inputs of a layer   K64 = padded_k(K)
namespace linnet::compress {

/// n, thirds and in_lane of kernels::RowTransform. n = 0: the row stays as it is.
struct Rotation {
  std::int32_t n = 0;
  bool thirds = false;
  bool in_lane = false;

  bool operator==(const Rotation&) const = default;
  bool any() const { return n != 0; }
  /// The product of two rotated rows over that of the rows: n, in lanes 16 times as much.
  double gain() const { return static_cast<double>(n) * (in_lane ? 16 : 1); }
};

/// Whether a rotation may be added inside registers of 16 numbers.
enum class InLane { kNo, kYes };

/// The rotation for K inputs: n is the largest power of two up to 32 that divides K64/16. Then,
/// where blocks of 16·n leave most of a row unmixed (n <= 16), thirds if 3 divides K64/(16·n); or,
/// if asked for and n <= 8, in_lane instead.
Rotation default_rotation(std::int64_t K, InLane in_lane = InLane::kNo);

/// Whether a kernel can do this to rows of K inputs: the conditions of kernels::RowTransform.
bool is_valid(const Rotation& rotation, std::int64_t K);

/// v [K64] = rotation of v, exact but for the roundings of double. The inverse is unrotate();
/// rotate() multiplies the length by sqrt(gain()).
void rotate(double* v, std::int64_t K64, const Rotation& rotation);
void unrotate(double* v, std::int64_t K64, const Rotation& rotation);

}  // namespace linnet::compress
