#pragma once

#include <array>
#include <cstddef>

#include "kernels/isa.h"
#include "kernels/ops.h"

// The operations of linnet as data: a struct of function pointers that each instruction-set level
// fills with its own. The same bytes come out at every level: see the README of this folder.
namespace linnet::kernels {

/// Every operation at one level; slots() tells which level provides each.
struct KernelTable {
  Isa isa;
  GemmF32 gemm_f32;
  GemmTnF32Fn gemm_tn_f32;
  LayerNormF32Fn layer_norm_f32;
  SoftmaxF32Fn softmax_f32;
  ActivateF32Fn activate_f32;
  NormalizeL2F32Fn normalize_l2_f32;
  AttentionF32 attention_f32;
  PackBf16Fn pack_bf16;
  RoundRowsBf16Fn round_rows_bf16;
  GemmBf16Fn gemm_bf16;
  PackS8Fn pack_s8;
  CheckPackedS8Fn check_packed_s8;
  QuantizeRowsS8Fn quantize_rows_s8;
  GemmS8 gemm_s8;
  PackS4Fn pack_s4;
  GemmS4Fn gemm_s4;
  LayerNormS8Fn layer_norm_s8;
  AttentionS8 attention_s8;
  TransformRowsF32Fn transform_rows_f32;
  EmbedRowsFn embed_rows;
  ActivateBwdF32Fn activate_bwd_f32;
  LayerNormBwdF32Fn layer_norm_bwd_f32;
  SoftmaxBwdF32Fn softmax_bwd_f32;
  SumColumnsF32Fn sum_columns_f32;
  AdamwF32Fn adamw_f32;
  SgdF32Fn sgd_f32;
  DropoutF32Fn dropout_f32;
  ExpF64Fn exp_f64;
  SumsOfSquaresF32Fn sums_of_squares_f32;
};

/// The reference, with every level of this machine up to `cap` laid over it. `cap` must be
/// supported here.
KernelTable make_table(Isa cap) noexcept;

/// A slot of the table: its name, the level whose function is in it, and what the function needs
/// beyond that level, null for nothing.
struct SlotInfo {
  const char* name;
  Isa provider;
  const char* addition = nullptr;
};

inline constexpr std::size_t kSlots = 29;

/// Every slot of a table that make_table() gave, in the order of its fields.
std::array<SlotInfo, kSlots> slots(const KernelTable& table) noexcept;

}  // namespace linnet::kernels
