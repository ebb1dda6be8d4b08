#pragma once

#include "kernels/ops.h"

// AVX-512 VNNI: vpdpbusd on 512 bits, over AVX-512.
// Contracts: kernels/ops.h.
namespace linnet::kernels::avx512_vnni {

/// vpdpbusd multiplies unsigned by signed bytes.
inline constexpr std::uint8_t kGemmS8Shift = 128;
void gemm_s8(const GemmS8Args& args) noexcept;
void gemm_s4(const GemmS8Args& args) noexcept;

std::int64_t attention_s8_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept;
void attention_s8(const AttentionS8Args& args) noexcept;

}  // namespace linnet::kernels::avx512_vnni
