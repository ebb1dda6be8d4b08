#include "kernels/isa.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/cpu.h"

namespace linnet::kernels {
namespace {

constexpr std::array<Isa, 7> kLevels = {Isa::kReference, Isa::kAvx2,       Isa::kAvxVnni,
                                        Isa::kAvx512,    Isa::kAvx512Vnni, Isa::kAmxEmulated,
                                        Isa::kAmx};

constexpr std::uint32_t bit(int n) { return std::uint32_t{1} << n; }

// CPUID leaf 1, ECX
constexpr std::uint32_t kFma = bit(12), kMovbe = bit(22), kOsxsave = bit(27), kAvx = bit(28),
                        kF16c = bit(29);
// CPUID leaf 7, EBX
constexpr std::uint32_t kBmi1 = bit(3), kAvx2 = bit(5), kBmi2 = bit(8), kAvx512F = bit(16),
                        kAvx512Dq = bit(17), kAvx512Bw = bit(30), kAvx512Vl = bit(31);
// CPUID leaf 7, ECX
constexpr std::uint32_t kAvx512VnniBit = bit(11);
// CPUID leaf 7, EDX: AMX-BF16, AMX-TILE, AMX-INT8
constexpr std::uint32_t kAmxBits = bit(22) | bit(24) | bit(25);
// CPUID leaf 7, subleaf 1, EAX
constexpr std::uint32_t kAvxVnniBit = bit(4), kAvx512Bf16Bit = bit(5);
// CPUID leaf 0x80000001, ECX
constexpr std::uint32_t kLzcnt = bit(5);
// XCR0: the register state that the operating system saves and restores.
constexpr std::uint64_t kSse = 1 << 1, kYmm = 1 << 2, kMasks = 1 << 5, kZmmLow = 1 << 6,
                        kZmmHigh = 1 << 7, kTileState = 3 << 17;

template <class T>
bool has(T value, T wanted) {
  return (value & wanted) == wanted;
}

std::uint64_t read_xcr0() noexcept {
  std::uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

/// Linux gives a process the 8 KB of tile data only when it asks.
/// Source: Documentation/arch/x86/xstate.rst of the Linux kernel.
bool ask_for_tiles() noexcept {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

CpuRegisters read_cpu() noexcept {
  CpuRegisters r;
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) != 0) r.leaf1_ecx = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
    r.leaf7_ebx = b;
    r.leaf7_ecx = c;
    r.leaf7_edx = d;
    // EAX of leaf 7 is its last subleaf.
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) r.leaf71_eax = a;
  }
  if (__get_cpuid(0x80000001u, &a, &b, &c, &d) != 0) r.extended1_ecx = c;
  if (has(r.leaf1_ecx, kOsxsave)) r.xcr0 = read_xcr0();  // without OSXSAVE the instruction faults
  r.tiles_permitted = has(r.leaf7_edx, kAmxBits) && has(r.xcr0, kTileState) && ask_for_tiles();
  return r;
}

std::vector<Isa> isas_of(const CpuRegisters& r) noexcept {
  const bool v3 = has(r.leaf1_ecx, kFma | kMovbe | kOsxsave | kAvx | kF16c) &&
                  has(r.leaf7_ebx, kBmi1 | kAvx2 | kBmi2) && has(r.extended1_ecx, kLzcnt) &&
                  has(r.xcr0, kSse | kYmm);
  if (!v3) return {};
  std::vector<Isa> found = {Isa::kReference, Isa::kAvx2};
  if (has(r.leaf71_eax, kAvxVnniBit)) found.push_back(Isa::kAvxVnni);
  const bool avx512 = has(r.leaf7_ebx, kAvx512F | kAvx512Dq | kAvx512Bw | kAvx512Vl) &&
                      has(r.xcr0, kMasks | kZmmLow | kZmmHigh);
  if (!avx512) return found;
  found.push_back(Isa::kAvx512);
  if (has(r.leaf7_ecx, kAvx512VnniBit)) found.push_back(Isa::kAvx512Vnni);
  if (has(r.leaf7_edx, kAmxBits) && has(r.xcr0, kTileState) && r.tiles_permitted) {
    found.push_back(Isa::kAmx);
  }
  return found;
}

bool has_avx512_bf16(const CpuRegisters& r) noexcept {
  const std::vector<Isa> isas = isas_of(r);
  return has(r.leaf71_eax, kAvx512Bf16Bit) &&
         std::find(isas.begin(), isas.end(), Isa::kAvx512Vnni) != isas.end();
}

bool has_avx512_bf16() noexcept {
  static const bool found = has_avx512_bf16(read_cpu());
  return found;
}

const char* name(Isa isa) noexcept {
  switch (isa) {
    case Isa::kReference:
      return "reference";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avx_vnni";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Vnni:
      return "avx512_vnni";
    case Isa::kAmxEmulated:
      return "amx_emulated";
    case Isa::kAmx:
      return "amx";
  }
  return "unknown";
}

bool parse_isa(std::string_view text, Isa& isa) noexcept {
  for (const Isa level : kLevels) {
    if (text == name(level)) {
      isa = level;
      return true;
    }
  }
  return false;
}

std::span<const Isa> supported_isas() noexcept {
  static const std::vector<Isa> found = isas_of(read_cpu());
  return found;
}

std::span<const Isa> runnable_isas() noexcept {
  static const std::vector<Isa> found = [] {
    std::vector<Isa> isas(supported_isas().begin(), supported_isas().end());
    const auto after = std::upper_bound(isas.begin(), isas.end(), Isa::kAmxEmulated);
    if (std::find(isas.begin(), isas.end(), Isa::kAvx512) != isas.end()) {
      isas.insert(after, Isa::kAmxEmulated);
    }
    return isas;
  }();
  return found;
}

}  // namespace linnet::kernels
