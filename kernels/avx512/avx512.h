#pragma once

#include "kernels/ops.h"

// AVX-512 F, BW, DQ and VL.
// Contracts: kernels/ops.h.
namespace linnet::kernels::avx512 {

/// Weights as [N/48][K][48]; the last panel is as wide as its columns need, rounded up to 16.
inline constexpr std::int64_t kGemmF32ColumnStep = 48;
std::int64_t gemm_f32_packed_floats(std::int64_t N, std::int64_t K) noexcept;
void gemm_f32_pack(float* packed, const float* w, std::int64_t stride_n, std::int64_t stride_k,
                   std::int64_t N, std::int64_t K, std::int64_t n_begin,
                   std::int64_t n_end) noexcept;
void gemm_f32(const GemmF32Args& args) noexcept;

void gemm_tn_f32(const GemmTnF32Args& args) noexcept;

void embed_rows(const EmbedRowsArgs& args) noexcept;
void transform_rows_f32(const TransformRowsF32Args& args) noexcept;
void quantize_rows_s8(const QuantizeRowsS8Args& args) noexcept;

void pack_bf16(std::uint16_t* packed, const float* w, std::int64_t stride_n, std::int64_t stride_k,
               std::int64_t K, std::int64_t n_begin, std::int64_t n_end) noexcept;
void round_rows_bf16(std::uint16_t* y, std::int64_t ldy, const float* x, std::int64_t ldx,
                     std::int64_t M, std::int64_t K) noexcept;
void gemm_bf16(const GemmBf16Args& args) noexcept;

void layer_norm_f32(float* y, float* mean, float* rstd, const float* x, const float* gamma,
                    const float* beta, std::int64_t M, std::int64_t D, float eps) noexcept;
void layer_norm_s8(const LayerNormS8Args& args) noexcept;

void softmax_f32(float* y, std::int64_t ldy, const float* x, std::int64_t ldx, std::int64_t M,
                 std::int64_t N) noexcept;

void activate_f32(float* y, const float* x, std::int64_t n, Activation activation) noexcept;

void normalize_l2_f32(float* y, const float* x, std::int64_t M, std::int64_t D, float eps) noexcept;

std::int64_t attention_f32_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept;
void attention_f32(const AttentionF32Args& args) noexcept;

std::int64_t attention_s8_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept;
void attention_s8(const AttentionS8Args& args) noexcept;

void activate_bwd_f32(float* dx, const float* dy, const float* x, std::int64_t n,
                      Activation activation) noexcept;
void layer_norm_bwd_f32(const LayerNormBwdF32Args& args) noexcept;
void softmax_bwd_f32(const SoftmaxBwdF32Args& args) noexcept;
void sum_columns_f32(const SumColumnsF32Args& args) noexcept;
void adamw_f32(const AdamwF32Args& args) noexcept;
void sgd_f32(const SgdF32Args& args) noexcept;
void dropout_f32(const DropoutF32Args& args) noexcept;
void exp_f64(double* x, std::int64_t n) noexcept;
void sums_of_squares_f32(double* sums, const float* x, std::int64_t M, std::int64_t D) noexcept;

}  // namespace linnet::kernels::avx512
