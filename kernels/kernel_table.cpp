#include "kernels/kernel_table.h"

#include "kernels/avx2/avx2.h"
#include "kernels/avx512/avx512.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels {
namespace {

KernelTable reference_table() noexcept {
  namespace level = reference;
  return {.isa = Isa::kReference,
          .gemm_f32 = {level::kGemmF32ColumnStep, level::gemm_f32_packed_floats,
                       level::gemm_f32_pack, level::gemm_f32},
          .layer_norm_f32 = level::layer_norm_f32,
          .softmax_f32 = level::softmax_f32,
          .activate_f32 = level::activate_f32,
          .normalize_l2_f32 = level::normalize_l2_f32,
          .attention_f32 = {level::attention_f32_scratch_floats, level::attention_f32}};
}

void lay_avx2(KernelTable& t) noexcept {
  namespace level = avx2;
  t.isa = Isa::kAvx2;
  t.gemm_f32 = {level::kGemmF32ColumnStep, level::gemm_f32_packed_floats, level::gemm_f32_pack,
                level::gemm_f32};
  t.layer_norm_f32 = level::layer_norm_f32;
  t.softmax_f32 = level::softmax_f32;
  t.activate_f32 = level::activate_f32;
  t.normalize_l2_f32 = level::normalize_l2_f32;
  t.attention_f32 = {level::attention_f32_scratch_floats, level::attention_f32};
}

void lay_avx512(KernelTable& t) noexcept {
  namespace level = avx512;
  t.isa = Isa::kAvx512;
  t.gemm_f32 = {level::kGemmF32ColumnStep, level::gemm_f32_packed_floats, level::gemm_f32_pack,
                level::gemm_f32};
  t.layer_norm_f32 = level::layer_norm_f32;
  t.softmax_f32 = level::softmax_f32;
  t.activate_f32 = level::activate_f32;
  t.normalize_l2_f32 = level::normalize_l2_f32;
  t.attention_f32 = {level::attention_f32_scratch_floats, level::attention_f32};
}

/// The weakest level that puts the same function into the slot.
template <class Slot>
Isa provider(const KernelTable& table, Slot slot) noexcept {
  for (int i = 0; i <= static_cast<int>(table.isa); ++i) {
    const auto isa = static_cast<Isa>(i);
    if (slot(make_table(isa)) == slot(table)) return isa;
  }
  return table.isa;
}

}  // namespace

KernelTable make_table(Isa cap) noexcept {
  KernelTable t = reference_table();
  if (cap >= Isa::kAvx2) lay_avx2(t);
  if (cap >= Isa::kAvx512) lay_avx512(t);
  return t;
}

std::array<SlotInfo, kSlots> slots(const KernelTable& table) noexcept {
  const auto of = [&table](const char* slot_name, auto slot) {
    return SlotInfo{slot_name, provider(table, slot)};
  };
  return {of("gemm_f32", [](const KernelTable& t) { return t.gemm_f32.run; }),
          of("layer_norm_f32", [](const KernelTable& t) { return t.layer_norm_f32; }),
          of("softmax_f32", [](const KernelTable& t) { return t.softmax_f32; }),
          of("activate_f32", [](const KernelTable& t) { return t.activate_f32; }),
          of("normalize_l2_f32", [](const KernelTable& t) { return t.normalize_l2_f32; }),
          of("attention_f32", [](const KernelTable& t) { return t.attention_f32.run; })};
}

}  // namespace linnet::kernels
