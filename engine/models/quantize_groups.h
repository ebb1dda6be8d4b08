#pragma once

#include <cstdint>

namespace linnet {

/// Quantises one output channel w [K64], a multiple of 64, to weights of 4 bits in groups of
/// kernels::kGroupS4, as kernels::GemmS4Fn reads them, and returns its scale:
///   w[k] ≈ scale · t[k/32] · q[k]      q in -8 .. 7, t in -128 .. 127
/// A group's number of greatest magnitude becomes -8, or is clipped for the sake of the others: of
/// some t the one with the least sum of squared errors, q rounded half to even. scale is that of
/// the widest group, so that its t is about ±127. w is finite.
float quantize_channel_s4(std::int8_t* q, std::int8_t* t, const double* w, std::int64_t K64);

}  // namespace linnet
