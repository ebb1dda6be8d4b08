#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "kernels/cpu.h"
#include "tests/kernels/levels.h"

namespace linnet::kernels {
namespace {

/// A machine with everything.
constexpr CpuRegisters kAll = {.leaf1_ecx = 0xFFFFFFFF,
                               .leaf7_ebx = 0xFFFFFFFF,
                               .leaf7_ecx = 0xFFFFFFFF,
                               .leaf7_edx = 0xFFFFFFFF,
                               .leaf71_eax = 0xFFFFFFFF,
                               .extended1_ecx = 0xFFFFFFFF,
                               .xcr0 = 0x600E7,
                               .tiles_permitted = true};

const std::vector<Isa> kWithoutAvx512 = {Isa::kReference, Isa::kAvx2, Isa::kAvxVnni};

TEST(Isa, NamesAreParsedBack) {
  for (const Isa isa : {Isa::kReference, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512, Isa::kAvx512Vnni,
                        Isa::kAmxEmulated, Isa::kAmx}) {
    Isa found = Isa::kReference;
    EXPECT_TRUE(parse_isa(name(isa), found));
    EXPECT_EQ(found, isa);
  }
  Isa unchanged = Isa::kAvx2;
  for (const char* wrong : {"", "avx", "AVX2", "avx2 ", "avx512-vnni"}) {
    EXPECT_FALSE(parse_isa(wrong, unchanged)) << wrong;
  }
  EXPECT_EQ(unchanged, Isa::kAvx2);
}

TEST(Isa, AMachineWithEverythingRunsEveryLevel) { EXPECT_EQ(isas_of(kAll).size(), 6u); }

TEST(Isa, EveryBitOfTheMinimumCpuIsNeeded) {
  for (const int bit : {12, 22, 27, 28, 29}) {  // FMA, MOVBE, OSXSAVE, AVX, F16C
    CpuRegisters r = kAll;
    r.leaf1_ecx &= ~(1u << bit);
    EXPECT_TRUE(isas_of(r).empty()) << "leaf 1 bit " << bit;
  }
  for (const int bit : {3, 5, 8}) {  // BMI1, AVX2, BMI2
    CpuRegisters r = kAll;
    r.leaf7_ebx &= ~(1u << bit);
    EXPECT_TRUE(isas_of(r).empty()) << "leaf 7 bit " << bit;
  }
  CpuRegisters no_lzcnt = kAll;
  no_lzcnt.extended1_ecx &= ~(1u << 5);
  EXPECT_TRUE(isas_of(no_lzcnt).empty());
}

TEST(Isa, EveryBitOfAvx512IsNeeded) {
  for (const int bit : {16, 17, 30, 31}) {  // F, DQ, BW, VL
    CpuRegisters r = kAll;
    r.leaf7_ebx &= ~(1u << bit);
    EXPECT_EQ(isas_of(r), kWithoutAvx512) << "leaf 7 bit " << bit;
  }
}

/// Every level without those.
std::vector<Isa> all_but(std::initializer_list<Isa> absent) {
  std::vector<Isa> found = isas_of(kAll);
  for (const Isa isa : absent) std::erase(found, isa);
  return found;
}

TEST(Isa, VnniOfEitherKindStandsAlone) {
  CpuRegisters no_vex = kAll;
  no_vex.leaf71_eax &= ~(1u << 4);
  EXPECT_EQ(isas_of(no_vex), all_but({Isa::kAvxVnni}));
  CpuRegisters no_evex = kAll;
  no_evex.leaf7_ecx &= ~(1u << 11);
  EXPECT_EQ(isas_of(no_evex), all_but({Isa::kAvx512Vnni}));
}

TEST(Isa, EveryBitOfAmxIsNeededAndThePermission) {
  for (const int bit : {22, 24, 25}) {  // AMX-BF16, AMX-TILE, AMX-INT8
    CpuRegisters r = kAll;
    r.leaf7_edx &= ~(1u << bit);
    EXPECT_EQ(isas_of(r), all_but({Isa::kAmx})) << "leaf 7 bit " << bit;
  }
  for (const int bit : {17, 18}) {  // configuration and data of tiles
    CpuRegisters r = kAll;
    r.xcr0 &= ~(std::uint64_t{1} << bit);
    EXPECT_EQ(isas_of(r), all_but({Isa::kAmx})) << "XCR0 bit " << bit;
  }
  CpuRegisters refused = kAll;
  refused.tiles_permitted = false;
  EXPECT_EQ(isas_of(refused), all_but({Isa::kAmx}));
}

TEST(Isa, EmulatedLevelsRunButAreNotDetected) {
  const auto found = supported_isas(), runnable = runnable_isas();
  EXPECT_EQ(std::count(found.begin(), found.end(), Isa::kAmxEmulated), 0);
  EXPECT_EQ(std::count(runnable.begin(), runnable.end(), Isa::kAmxEmulated),
            std::count(found.begin(), found.end(), Isa::kAvx512));
  EXPECT_TRUE(std::is_sorted(runnable.begin(), runnable.end()));
}

TEST(Isa, RegisterStateOfTheOperatingSystemIsNeeded) {
  for (const int bit : {1, 2}) {  // SSE, AVX
    CpuRegisters r = kAll;
    r.xcr0 &= ~(std::uint64_t{1} << bit);
    EXPECT_TRUE(isas_of(r).empty()) << "XCR0 bit " << bit;
  }
  for (const int bit : {5, 6, 7}) {  // masks, low and high halves of zmm
    CpuRegisters r = kAll;
    r.xcr0 &= ~(std::uint64_t{1} << bit);
    EXPECT_EQ(isas_of(r), kWithoutAvx512) << "XCR0 bit " << bit;
  }
}

TEST(Isa, SupportedLevelsAreAscending) {
  const auto found = supported_isas();
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found.front(), Isa::kReference);
  for (std::size_t i = 1; i < found.size(); ++i) EXPECT_LT(found[i - 1], found[i]);
}

/// What a level may leave to a weaker one; it must provide every other slot.
bool may_inherit(Isa isa, const std::string& slot) {
  if (slot == "gemm_bf16") {
    return isa == Isa::kAvxVnni || (isa == Isa::kAvx512Vnni && !has_avx512_bf16());
  }
  if (slot == "round_rows_bf16" || slot == "pack_bf16") {
    return isa != Isa::kReference && isa != Isa::kAvx512;
  }
  if (slot == "gemm_s4") {
    return isa != Isa::kReference && isa != Isa::kAvx2 && isa != Isa::kAvx512Vnni;
  }
  if (slot == "pack_s4") return isa != Isa::kReference;  // done once for a file
  switch (isa) {
    case Isa::kReference:
      return false;
    case Isa::kAvx2:
      return slot == "pack_s8";  // done once for a file
    case Isa::kAvx512:
      return slot == "pack_s8" || slot == "check_packed_s8" || slot == "gemm_s8";
    case Isa::kAvxVnni:
    case Isa::kAvx512Vnni:
      return slot != "gemm_s8" && slot != "attention_s8";
    case Isa::kAmxEmulated:
    case Isa::kAmx:
      return slot != "gemm_s8";
  }
  return false;
}

TEST(KernelTable, EveryLevelProvidesWhatItMust) {
  for (const Isa isa : test::levels()) {
    for (const SlotInfo& slot : slots(make_table(isa))) {
      EXPECT_EQ(slot.provider == isa, !may_inherit(isa, slot.name))
          << slot.name << " at level " << name(isa) << " is of level " << name(slot.provider);
    }
  }
}

TEST(KernelTable, SlotsAreNamedInOrder) {
  std::string names;
  for (const SlotInfo& slot : slots(make_table(Isa::kReference)))
    names += std::string(slot.name) + " ";
  EXPECT_EQ(
      names,
      "gemm_f32 gemm_tn_f32 layer_norm_f32 softmax_f32 activate_f32 normalize_l2_f32 attention_f32 "
      "pack_bf16 round_rows_bf16 gemm_bf16 "
      "pack_s8 check_packed_s8 quantize_rows_s8 gemm_s8 pack_s4 gemm_s4 layer_norm_s8 attention_s8 "
      "transform_rows_f32 embed_rows "
      "activate_bwd_f32 layer_norm_bwd_f32 softmax_bwd_f32 sum_columns_f32 adamw_f32 sgd_f32 "
      "dropout_f32 exp_f64 sums_of_squares_f32 ");
}

TEST(KernelTable, ASlotThatIsLeftToAWeakerLevelShows) {
  const Isa avx2 = Isa::kAvx2;
  KernelTable table = make_table(avx2);
  table.softmax_f32 = make_table(Isa::kReference).softmax_f32;
  EXPECT_EQ(slots(table)[3].provider, Isa::kReference);
  EXPECT_EQ(slots(table)[2].provider, avx2);
}

// CI sets LINNET_EXPECT_ISA to what the runner has; without this a mistake in the detection that
// disables a level would pass every other test by never running it.
TEST(Coverage, ExpectedLevelIsTested) {
  const char* expected = std::getenv("LINNET_EXPECT_ISA");
  if (expected == nullptr) GTEST_SKIP() << "LINNET_EXPECT_ISA is not set";
  EXPECT_EQ(std::string(name(supported_isas().back())), expected);
}

}  // namespace
}  // namespace linnet::kernels
