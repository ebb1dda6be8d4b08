#pragma once

#include <cstdint>

// Functions whose last bit must not depend on the machine's libm: additions, multiplications,
// std::fma, division and square root only. In double, for scores, losses and schedules.
namespace linnet::math {

/// e^x, within 1 ulp of the correctly rounded result where that is normal; 0 below about -745,
/// infinity above 709.78, NaN for NaN.
double exp(double x);

/// Natural logarithm, within 2 ulp; -infinity at 0, NaN below and for NaN.
double log(double x);

/// Sine and cosine, within 1e-15 absolute for |x| <= 1e6.
double sin(double x);
double cos(double x);

/// x^n for n >= 0, by squaring.
double power(double x, std::int64_t n);

/// 1 / (1 + e^-x), without overflow for any x.
double sigmoid(double x);

/// y[i] = e^(x[i] - max) / Σ e^(x[j] - max), the sum a chain. y may not be x.
void softmax(double* y, const float* x, std::int64_t n);

}  // namespace linnet::math
