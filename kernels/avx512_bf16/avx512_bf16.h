#pragma once

#include "kernels/ops.h"

// AVX-512 BF16: vdpbf16ps on 512 bits, over AVX-512. Not a level but an addition: of the levels
// with AVX-512 VNNI, some machines have it. Contracts: kernels/ops.h.
namespace linnet::kernels::avx512_bf16 {

void gemm_bf16(const GemmBf16Args& args) noexcept;

}  // namespace linnet::kernels::avx512_bf16
