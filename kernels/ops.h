#pragma once

#include <cstdint>

// The contract of every operation: its arguments, formula, shapes, aliasing and source. Constants
// and plain types only, because the folders of the instruction sets include it. Every function is
// single-threaded over the rows it is given, noexcept, allocates nothing, keeps no state and gives
// the same bytes at every level. Matrices are row-major, leading dimensions in elements.
//
//   M rows (tokens)   N outputs   K inner dimension   D row width
namespace linnet::kernels {

/// gelu: x/2·(1 + erf(x/√2)).  gelu_tanh: the tanh form with 0.044715.  gelu_10: clip(gelu, ±10).
/// quick_gelu: x·sigmoid(1.702x).  silu: x·sigmoid(x).
enum class Activation : std::int32_t {
  kNone,
  kGelu,
  kGeluTanh,
  kGelu10,
  kQuickGelu,
  kRelu,
  kSilu,
  kTanh,
  kSigmoid,
};

/// One matrix product y[m,n] = chain over k of fma(x[m,k], w[n,k], acc), acc = +0 at first, then,
/// in this order: + bias[n], activation, residual[m,n] + y.
/// Columns [n_begin, n_end) are computed; both are multiples of GemmF32::column_step, or N.
/// y may be residual (same ld); x must not overlap y.
struct GemmF32Args {
  float* y = nullptr;  // [M, N]
  std::int64_t ldy = 0;
  const float* x = nullptr;  // [M, K]
  std::int64_t ldx = 0;
  const float* w = nullptr;         // packed by the same level's pack
  const float* bias = nullptr;      // [N] or null
  const float* residual = nullptr;  // [M, N] or null
  std::int64_t ld_residual = 0;
  Activation activation = Activation::kNone;
  std::int64_t M = 0, N = 0, K = 0;
  std::int64_t n_begin = 0, n_end = 0;
};

/// The FP32 product with packed weights: the layout belongs to the level and travels with it.
struct GemmF32 {
  /// Columns of y are split among threads at multiples of this.
  std::int64_t column_step;
  /// Floats that the packed form of w [N, K] takes.
  std::int64_t (*packed_floats)(std::int64_t N, std::int64_t K) noexcept;
  /// Packs columns [n_begin, n_end) (bounds as in GemmF32Args) of w, whose element (n, k) is
  /// w[n·stride_n + k·stride_k]: (K, 1) for a torch Linear, (1, N) for a Conv1D. `packed` is the
  /// start of the whole packed matrix.
  void (*pack)(float* packed, const float* w, std::int64_t stride_n, std::int64_t stride_k,
               std::int64_t N, std::int64_t K, std::int64_t n_begin, std::int64_t n_end) noexcept;
  void (*run)(const GemmF32Args& args) noexcept;
};

/// y[m,d] = (x[m,d] - mean[m]) * rstd[m] * gamma[d] + beta[d],
/// rstd = 1/sqrt(var + eps), var without Bessel's correction, two passes.
/// mean and rstd are [M] and may be null (inference). In place ok (y == x).
/// Source: Layer Normalization, arXiv:1607.06450, section 3.
using LayerNormF32Fn = void (*)(float* y, float* mean, float* rstd, const float* x,
                                const float* gamma, const float* beta, std::int64_t M,
                                std::int64_t D, float eps) noexcept;

/// y[m,:] = exp(x[m,:] - max) · (1 / Σ). In place ok.
using SoftmaxF32Fn = void (*)(float* y, std::int64_t ldy, const float* x, std::int64_t ldx,
                              std::int64_t M, std::int64_t N) noexcept;

/// y[i] = activation(x[i]). In place ok.
using ActivateF32Fn = void (*)(float* y, const float* x, std::int64_t n, Activation) noexcept;

/// y[m,:] = x[m,:] / max(‖x[m,:]‖₂, eps), the squares summed as in a row reduction. In place ok.
using NormalizeL2F32Fn = void (*)(float* y, const float* x, std::int64_t M, std::int64_t D,
                                  float eps) noexcept;

/// Scaled dot-product attention of one head of one sequence:
///   s[i,j] = (chain over d of q[i,d]·k[j,d]) · scale
///   y[i,:] = (chain over j of exp(s[i,j] - max_j s[i,j]) · v[j,:]) · (1 / Σ_j exp(…))
/// for the queries i = query_begin .. query_end-1 and all `keys` keys.
/// Source: Attention Is All You Need, arXiv:1706.03762, section 3.2.1.
struct AttentionF32Args {
  float* y = nullptr;  // row i of the sequence at y + i·ldy, head_width columns
  std::int64_t ldy = 0;
  const float* q = nullptr;  // [keys, head_width] each, one leading dimension
  const float* k = nullptr;
  const float* v = nullptr;
  std::int64_t ld_qkv = 0;
  std::int64_t keys = 0, head_width = 0;
  std::int64_t query_begin = 0, query_end = 0;
  float scale = 1;
  float* scratch = nullptr;  // scratch_floats(keys, head_width), 64-byte aligned
};

struct AttentionF32 {
  std::int64_t (*scratch_floats)(std::int64_t keys, std::int64_t head_width) noexcept;
  void (*run)(const AttentionF32Args& args) noexcept;
};

}  // namespace linnet::kernels
