#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "weights/dtype.h"

namespace linnet::weights {

/// True for F16, BF16, F32 and F64: what weights may be stored in.
bool is_float(DType dtype);

// The results do not depend on whether denormals are flushed to zero in the calling thread; they do
// on its rounding mode (F64 only), which is to be the default.

/// dst [n] = the n elements at src, which may be unaligned. Exact for F16, BF16 and F32; F64 is
/// rounded to nearest even. `dtype` must be a float type.
void to_f32(float* dst, const std::byte* src, DType dtype, std::int64_t n);

/// dst [n] = x rounded to nearest even; NaN stays NaN. `dtype` is F16, BF16 or F32.
void from_f32(std::byte* dst, DType dtype, const float* x, std::int64_t n);

/// dst [n] = the n elements at src in another type, by way of F32. Both are float types; equal
/// types are copied byte for byte.
void convert(std::byte* dst, DType to, const std::byte* src, DType from, std::int64_t n);

/// Index of the first NaN or infinity among the n elements at src, -1 when all are finite.
std::int64_t first_not_finite(const std::byte* src, DType dtype, std::int64_t n);

}  // namespace linnet::weights
