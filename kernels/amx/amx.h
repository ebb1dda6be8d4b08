#pragma once

#include "kernels/ops.h"

// AMX-TILE, AMX-INT8 and AMX-BF16, over AVX-512. Each kernel twice: on the tiles of the machine,
// and on tiles emulated in memory, which runs wherever AVX-512 does. Contracts: kernels/ops.h.
namespace linnet::kernels::amx {

/// Tiles multiply signed by signed bytes.
inline constexpr std::uint8_t kGemmS8Shift = 0;
void gemm_s8(const GemmS8Args& args) noexcept;
void gemm_s8_emulated(const GemmS8Args& args) noexcept;
void gemm_bf16(const GemmBf16Args& args) noexcept;
void gemm_bf16_emulated(const GemmBf16Args& args) noexcept;

}  // namespace linnet::kernels::amx
