#pragma once

#include <span>
#include <string_view>

namespace linnet::kernels {

/// Instruction-set levels, weakest first. A level is laid over the weaker ones that the machine
/// has: a CPU may have AVX-512 without AVX-VNNI.
enum class Isa {
  kReference,    ///< plain C++; the definition of every result
  kAvx2,         ///< AVX2, FMA, F16C: the minimum CPU, x86-64-v3
  kAvxVnni,      ///< AVX-VNNI: vpdpbusd on 256 bits, without AVX-512
  kAvx512,       ///< AVX-512 F, BW, DQ, VL
  kAvx512Vnni,   ///< and AVX-512 VNNI: vpdpbusd on 512 bits
  kAmxEmulated,  ///< the kernels of kAmx over tiles in memory: for tests, never chosen by itself
  kAmx,          ///< AVX-512 with AMX-TILE, AMX-INT8 and AMX-BF16
};

/// "reference", "avx2", "avx_vnni", "avx512", "avx512_vnni", "amx_emulated", "amx".
const char* name(Isa isa) noexcept;

/// The level with this name; false when there is none.
bool parse_isa(std::string_view text, Isa& isa) noexcept;

/// The levels that both CPU and operating system support, weakest first. Empty when the machine is
/// below x86-64-v3.
std::span<const Isa> supported_isas() noexcept;

/// Those, and the emulated ones that run here, weakest first.
std::span<const Isa> runnable_isas() noexcept;

/// Whether this machine has AVX-512 BF16. No level of its own: some CPUs of kAvx512Vnni have it.
bool has_avx512_bf16() noexcept;

}  // namespace linnet::kernels
