#pragma once

#include "kernels/ops.h"

// AMX-TILE and AMX-INT8, over AVX-512. Each kernel twice: on the tiles of the machine, and on tiles
// emulated in memory, which runs wherever AVX-512 does.
// Contracts: kernels/ops.h.
namespace linnet::kernels::amx {

/// Tiles multiply signed by signed bytes.
inline constexpr std::uint8_t kGemmS8Shift = 0;
void gemm_s8(const GemmS8Args& args) noexcept;
void gemm_s8_emulated(const GemmS8Args& args) noexcept;

}  // namespace linnet::kernels::amx
