#include "kernels/kernel_table.h"

#include "kernels/amx/amx.h"
#include "kernels/avx2/avx2.h"
#include "kernels/avx512/avx512.h"
#include "kernels/avx512_bf16/avx512_bf16.h"
#include "kernels/avx512_vnni/avx512_vnni.h"
#include "kernels/avx_vnni/avx_vnni.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels {
namespace {

KernelTable reference_table() noexcept {
  namespace level = reference;
  return {.isa = Isa::kReference,
          .gemm_f32 = {level::kGemmF32ColumnStep, level::gemm_f32_packed_floats,
                       level::gemm_f32_pack, level::gemm_f32},
          .gemm_tn_f32 = level::gemm_tn_f32,
          .layer_norm_f32 = level::layer_norm_f32,
          .softmax_f32 = level::softmax_f32,
          .activate_f32 = level::activate_f32,
          .normalize_l2_f32 = level::normalize_l2_f32,
          .attention_f32 = {level::attention_f32_scratch_floats, level::attention_f32},
          .pack_bf16 = level::pack_bf16,
          .round_rows_bf16 = level::round_rows_bf16,
          .gemm_bf16 = level::gemm_bf16,
          .pack_s8 = level::pack_s8,
          .check_packed_s8 = level::check_packed_s8,
          .quantize_rows_s8 = level::quantize_rows_s8,
          .gemm_s8 = {0, level::gemm_s8},
          .pack_s4 = level::pack_s4,
          .gemm_s4 = level::gemm_s4,
          .layer_norm_s8 = level::layer_norm_s8,
          .attention_s8 = {level::attention_s8_scratch_floats, level::attention_s8},
          .transform_rows_f32 = level::transform_rows_f32,
          .embed_rows = level::embed_rows,
          .activate_bwd_f32 = level::activate_bwd_f32,
          .layer_norm_bwd_f32 = level::layer_norm_bwd_f32,
          .softmax_bwd_f32 = level::softmax_bwd_f32,
          .sum_columns_f32 = level::sum_columns_f32,
          .adamw_f32 = level::adamw_f32,
          .sgd_f32 = level::sgd_f32,
          .dropout_f32 = level::dropout_f32,
          .exp_f64 = level::exp_f64,
          .sums_of_squares_f32 = level::sums_of_squares_f32};
}

void lay_avx2(KernelTable& t) noexcept {
  namespace level = avx2;
  t.isa = Isa::kAvx2;
  t.gemm_f32 = {level::kGemmF32ColumnStep, level::gemm_f32_packed_floats, level::gemm_f32_pack,
                level::gemm_f32};
  t.gemm_tn_f32 = level::gemm_tn_f32;
  t.layer_norm_f32 = level::layer_norm_f32;
  t.softmax_f32 = level::softmax_f32;
  t.activate_f32 = level::activate_f32;
  t.normalize_l2_f32 = level::normalize_l2_f32;
  t.attention_f32 = {level::attention_f32_scratch_floats, level::attention_f32};
  t.gemm_bf16 = level::gemm_bf16;
  t.check_packed_s8 = level::check_packed_s8;
  t.quantize_rows_s8 = level::quantize_rows_s8;
  t.layer_norm_s8 = level::layer_norm_s8;
  t.transform_rows_f32 = level::transform_rows_f32;
  t.embed_rows = level::embed_rows;
  t.activate_bwd_f32 = level::activate_bwd_f32;
  t.layer_norm_bwd_f32 = level::layer_norm_bwd_f32;
  t.softmax_bwd_f32 = level::softmax_bwd_f32;
  t.sum_columns_f32 = level::sum_columns_f32;
  t.adamw_f32 = level::adamw_f32;
  t.sgd_f32 = level::sgd_f32;
  t.dropout_f32 = level::dropout_f32;
  t.exp_f64 = level::exp_f64;
  t.sums_of_squares_f32 = level::sums_of_squares_f32;
  t.attention_s8 = {level::attention_s8_scratch_floats, level::attention_s8};
  t.gemm_s8 = {0, level::gemm_s8};
  t.gemm_s4 = level::gemm_s4;
}

void lay_avx_vnni(KernelTable& t) noexcept {
  t.isa = Isa::kAvxVnni;
  t.gemm_s8 = {avx_vnni::kGemmS8Shift, avx_vnni::gemm_s8};
  t.attention_s8 = {avx_vnni::attention_s8_scratch_floats, avx_vnni::attention_s8};
}

void lay_avx512(KernelTable& t) noexcept {
  namespace level = avx512;
  t.isa = Isa::kAvx512;
  t.gemm_f32 = {level::kGemmF32ColumnStep, level::gemm_f32_packed_floats, level::gemm_f32_pack,
                level::gemm_f32};
  t.gemm_tn_f32 = level::gemm_tn_f32;
  t.layer_norm_f32 = level::layer_norm_f32;
  t.softmax_f32 = level::softmax_f32;
  t.activate_f32 = level::activate_f32;
  t.normalize_l2_f32 = level::normalize_l2_f32;
  t.attention_f32 = {level::attention_f32_scratch_floats, level::attention_f32};
  t.pack_bf16 = level::pack_bf16;
  t.round_rows_bf16 = level::round_rows_bf16;
  t.gemm_bf16 = level::gemm_bf16;
  t.quantize_rows_s8 = level::quantize_rows_s8;
  t.layer_norm_s8 = level::layer_norm_s8;
  t.transform_rows_f32 = level::transform_rows_f32;
  t.embed_rows = level::embed_rows;
  t.activate_bwd_f32 = level::activate_bwd_f32;
  t.layer_norm_bwd_f32 = level::layer_norm_bwd_f32;
  t.softmax_bwd_f32 = level::softmax_bwd_f32;
  t.sum_columns_f32 = level::sum_columns_f32;
  t.adamw_f32 = level::adamw_f32;
  t.sgd_f32 = level::sgd_f32;
  t.dropout_f32 = level::dropout_f32;
  t.exp_f64 = level::exp_f64;
  t.sums_of_squares_f32 = level::sums_of_squares_f32;
  t.attention_s8 = {level::attention_s8_scratch_floats, level::attention_s8};
}

void lay_avx512_vnni(KernelTable& t) noexcept {
  t.isa = Isa::kAvx512Vnni;
  if (has_avx512_bf16()) t.gemm_bf16 = avx512_bf16::gemm_bf16;
  t.gemm_s8 = {avx512_vnni::kGemmS8Shift, avx512_vnni::gemm_s8};
  t.gemm_s4 = avx512_vnni::gemm_s4;
  t.attention_s8 = {avx512_vnni::attention_s8_scratch_floats, avx512_vnni::attention_s8};
}

void lay_amx(KernelTable& t) noexcept {
  t.isa = Isa::kAmx;
  t.gemm_bf16 = amx::gemm_bf16;
  t.gemm_s8 = {amx::kGemmS8Shift, amx::gemm_s8};
}

void lay_amx_emulated(KernelTable& t) noexcept {
  t.isa = Isa::kAmxEmulated;
  t.gemm_bf16 = amx::gemm_bf16_emulated;
  t.gemm_s8 = {amx::kGemmS8Shift, amx::gemm_s8_emulated};
}

void lay(KernelTable& t, Isa isa) noexcept {
  switch (isa) {
    case Isa::kReference:
      return;  // where every table begins
    case Isa::kAvx2:
      return lay_avx2(t);
    case Isa::kAvxVnni:
      return lay_avx_vnni(t);
    case Isa::kAvx512:
      return lay_avx512(t);
    case Isa::kAvx512Vnni:
      return lay_avx512_vnni(t);
    case Isa::kAmxEmulated:
      return lay_amx_emulated(t);
    case Isa::kAmx:
      return lay_amx(t);
  }
}

/// The weakest level that puts the same function into the slot.
template <class Slot>
Isa provider(const KernelTable& table, Slot slot) noexcept {
  for (const Isa isa : supported_isas()) {
    if (isa <= table.isa && slot(make_table(isa)) == slot(table)) return isa;
  }
  return table.isa;
}

}  // namespace

KernelTable make_table(Isa cap) noexcept {
  KernelTable t = reference_table();
  for (const Isa isa : supported_isas()) {
    if (isa <= cap) lay(t, isa);
  }
  if (cap == Isa::kAmxEmulated) lay(t, cap);
  return t;
}

std::array<SlotInfo, kSlots> slots(const KernelTable& table) noexcept {
  const auto of = [&table](const char* slot_name, auto slot) {
    return SlotInfo{slot_name, provider(table, slot)};
  };
  const auto bf16 = [&table, &of] {
    SlotInfo slot = of("gemm_bf16", [](const KernelTable& t) { return t.gemm_bf16; });
    if (table.gemm_bf16 == avx512_bf16::gemm_bf16) slot.addition = "avx512_bf16";
    return slot;
  };
  return {of("gemm_f32", [](const KernelTable& t) { return t.gemm_f32.run; }),
          of("gemm_tn_f32", [](const KernelTable& t) { return t.gemm_tn_f32; }),
          of("layer_norm_f32", [](const KernelTable& t) { return t.layer_norm_f32; }),
          of("softmax_f32", [](const KernelTable& t) { return t.softmax_f32; }),
          of("activate_f32", [](const KernelTable& t) { return t.activate_f32; }),
          of("normalize_l2_f32", [](const KernelTable& t) { return t.normalize_l2_f32; }),
          of("attention_f32", [](const KernelTable& t) { return t.attention_f32.run; }),
          of("pack_bf16", [](const KernelTable& t) { return t.pack_bf16; }),
          of("round_rows_bf16", [](const KernelTable& t) { return t.round_rows_bf16; }),
          bf16(),
          of("pack_s8", [](const KernelTable& t) { return t.pack_s8; }),
          of("check_packed_s8", [](const KernelTable& t) { return t.check_packed_s8; }),
          of("quantize_rows_s8", [](const KernelTable& t) { return t.quantize_rows_s8; }),
          of("gemm_s8", [](const KernelTable& t) { return t.gemm_s8.run; }),
          of("pack_s4", [](const KernelTable& t) { return t.pack_s4; }),
          of("gemm_s4", [](const KernelTable& t) { return t.gemm_s4; }),
          of("layer_norm_s8", [](const KernelTable& t) { return t.layer_norm_s8; }),
          of("attention_s8", [](const KernelTable& t) { return t.attention_s8.run; }),
          of("transform_rows_f32", [](const KernelTable& t) { return t.transform_rows_f32; }),
          of("embed_rows", [](const KernelTable& t) { return t.embed_rows; }),
          of("activate_bwd_f32", [](const KernelTable& t) { return t.activate_bwd_f32; }),
          of("layer_norm_bwd_f32", [](const KernelTable& t) { return t.layer_norm_bwd_f32; }),
          of("softmax_bwd_f32", [](const KernelTable& t) { return t.softmax_bwd_f32; }),
          of("sum_columns_f32", [](const KernelTable& t) { return t.sum_columns_f32; }),
          of("adamw_f32", [](const KernelTable& t) { return t.adamw_f32; }),
          of("sgd_f32", [](const KernelTable& t) { return t.sgd_f32; }),
          of("dropout_f32", [](const KernelTable& t) { return t.dropout_f32; }),
          of("exp_f64", [](const KernelTable& t) { return t.exp_f64; }),
          of("sums_of_squares_f32", [](const KernelTable& t) { return t.sums_of_squares_f32; })};
}

}  // namespace linnet::kernels
