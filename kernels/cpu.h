#pragma once

#include <cstdint>
#include <vector>

#include "kernels/isa.h"

namespace linnet::kernels {

/// What CPUID and XGETBV say, as far as the levels depend on it.
/// Source: Intel 64 Software Developer's Manual, volume 1, sections 13.2, 14.3 and 15.2.
struct CpuRegisters {
  std::uint32_t leaf1_ecx = 0;      // CPUID 1
  std::uint32_t leaf7_ebx = 0;      // CPUID 7, 0
  std::uint32_t leaf7_ecx = 0;      // CPUID 7, 0
  std::uint32_t leaf7_edx = 0;      // CPUID 7, 0
  std::uint32_t leaf71_eax = 0;     // CPUID 7, 1
  std::uint32_t extended1_ecx = 0;  // CPUID 0x80000001
  std::uint64_t xcr0 = 0;           // 0 when the operating system has not enabled XSAVE
  bool tiles_permitted = false;     // the system granted this process the state of AMX tiles
};

/// This machine.
CpuRegisters read_cpu() noexcept;

/// The levels a machine with these registers runs, weakest first; empty below x86-64-v3.
std::vector<Isa> isas_of(const CpuRegisters& registers) noexcept;

/// Whether it also has AVX-512 BF16 beside AVX-512 VNNI.
bool has_avx512_bf16(const CpuRegisters& registers) noexcept;

}  // namespace linnet::kernels
