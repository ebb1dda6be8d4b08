#pragma once

#include <cstdint>

#include "engine/core/parallel.h"

namespace linnet::compress {

/// a [n, n] = L with L·Lᵀ = a, in double, in place: the lower triangle is read and written, the
/// upper one is left alone. The same bytes on any number of threads. False if a is not positive
/// definite; then it holds no meaningful numbers.
bool cholesky(Threads& threads, double* a, std::int64_t n);

}  // namespace linnet::compress
