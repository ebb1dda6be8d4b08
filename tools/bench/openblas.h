#pragma once

#include "tools/bench/opponent.h"

namespace linnet::bench {

/// OpenBLAS for FP32, opened at run time: libopenblas.so.0, or the file that the environment's
/// LINNET_OPENBLAS names. It is told to use AVX-512 where the level has it: version 0.3.21 takes
/// newer CPUs for Haswell, at half the speed. The bias is laid into y before. Weights lie as [N, K]
/// or as [K, N], whichever is faster, and OpenBLAS packs them in each call: it has no way to keep
/// them packed. M = 1 is its product of a matrix and a vector.
extern const OpponentLibrary kOpenBlas;

}  // namespace linnet::bench
