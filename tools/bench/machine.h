#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"

// What this machine can do at this moment. Shared machines drift: print it beside every result.
namespace linnet::bench {

/// Clock of the core in GHz, from a chain of dependent multiplications (3 cycles each).
double clock_ghz();

/// FP32 fused multiply-adds with all operands in registers, in GFLOP/s, at the level's width.
double peak_gflops(kernels::Isa isa);

/// Products of INT8 summed in 32 bits with all operands in registers, in 10^9 multiplications and
/// additions a second, by the level's instructions.
double peak_gops_s8(kernels::Isa isa);

/// Pairs of BF16 products summed in FP32 by AVX-512 BF16, with all operands in registers, in
/// GFLOP/s. Needs kernels::has_avx512_bf16().
double peak_gflops_bf16();

/// Linear reads of 256 MB by one thread, in GB/s.
double memory_gbytes();

/// Reads `bytes`, a multiple of 128, from a border of 32 on.
void read_linearly(const std::uint8_t* p, std::size_t bytes);

}  // namespace linnet::bench
