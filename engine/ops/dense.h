#pragma once

#include "engine/core/context.h"
#include "engine/core/mat.h"
#include "engine/ops/linear.h"

// Dense layers of a model in training. The weights are plain matrices, the only copy: they change
// with every step, so each product packs them on its way. Where ctx.products is kBfloat16 products
// have operands rounded to BF16 and sums in FP32, all else is FP32.
//
//   T tokens   N outputs   K inputs
namespace linnet {

/// weight [N, K] and bias [1, N] of one layer, or their gradients; no data: no such layer, or no
/// bias.
struct Dense {
  Mat<float> weight, bias;
};

/// Floats of scratch that dense() and dense_bwd() need for a layer of this size.
std::int64_t dense_scratch_floats(const kernels::KernelTable& kernels, int threads, std::int64_t N,
                                  std::int64_t K);

/// The same where ctx.products is kBfloat16, for up to T tokens.
std::int64_t dense_scratch_floats_bf16(int threads, std::int64_t T, std::int64_t N, std::int64_t K);

/// y [T, N] = x [T, K] · weightᵀ + bias, then the epilogue: the bytes of linear() with the same
/// weights.
void dense(const Context& ctx, Mat<float> y, Mat<const float> x, const Dense& w, float* scratch,
           const LinearEpilogue& epilogue = {});

/// The gradients of y = x·Wᵀ + b. Chains over tokens continue in dw: dW += dYᵀ·X, db += Σ dY.
/// dx [T, K] = dY·W, a chain over n, then residual + dx; no data: not computed.
struct DenseBwd {
  Mat<float> dx{};
  Mat<const float> residual{};  // may be dx itself
  Mat<const float> x, dy;
};
void dense_bwd(const Context& ctx, const DenseBwd& args, const Dense& w, const Dense& dw,
               float* scratch);

/// The same for a Conv1D of GPT-2, whose weight and its gradient are stored [K, N]: y = x·W + b,
/// dW += Xᵀ·dY, db += Σ dY, dx = dY·Wᵀ.
void conv1d(const Context& ctx, Mat<float> y, Mat<const float> x, const Dense& w, float* scratch,
            const LinearEpilogue& epilogue = {});
void conv1d_bwd(const Context& ctx, const DenseBwd& args, const Dense& w, const Dense& dw,
                float* scratch);

/// sum[n] = chain over t of sum[n] + a[t,n].
void sum_tokens(const Context& ctx, Mat<float> sum, Mat<const float> a);

}  // namespace linnet
