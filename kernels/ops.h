#pragma once

#include <cstdint>

// The contract of every operation: its arguments, formula, shapes, aliasing and source. Constants
// and plain types only, because the folders of the instruction sets include it. Every function is
// single-threaded over the rows it is given, noexcept, allocates nothing, keeps no state and gives
// the same bytes at every level (BF16 products excepted). Matrices are row-major, leading
// dimensions in elements.
//
//   M rows (tokens)   N outputs   K inner dimension   D row width
namespace linnet::kernels {

/// gelu: x/2·(1 + erf(x/√2)).  gelu_q: gelu within 2e-6 and 3e-5·|x|, an operation of its own for
/// results that are only quantised, in 0.4 of its time.  gelu_tanh: the tanh form with 0.044715.
/// gelu_10: clip(gelu, ±10). quick_gelu: x·sigmoid(1.702x).  silu: x·sigmoid(x).
enum class Activation : std::int32_t {
  kNone,
  kGelu,
  kGeluQ,
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

/// The product of a weight's gradient, dW = dYᵀ·X, both read as they are:
///   c[n,k] = chain over t of fma(a[t,n], b[t,k], c[n,k]), beginning at +0 or at what c holds
/// t runs from 0 to T-1; tokens that come in several calls give the bytes of one. Rows
/// [n_begin, n_end) of c are computed, any bounds. c must not overlap a and b. Without a token a
/// and b may be null.
enum class ChainStart : std::int32_t { kZero, kContinue };
struct GemmTnF32Args {
  float* c = nullptr;  // [N, K]
  std::int64_t ldc = 0;
  const float* a = nullptr;  // [T, N]
  std::int64_t lda = 0;
  const float* b = nullptr;  // [T, K]
  std::int64_t ldb = 0;
  ChainStart start = ChainStart::kZero;
  std::int64_t T = 0, N = 0, K = 0;
  std::int64_t n_begin = 0, n_end = 0;
};
using GemmTnF32Fn = void (*)(const GemmTnF32Args& args) noexcept;

/// INT8 operands are s8 in -127 .. 127 with one scale for each row of x and each row of w. A row of
/// x is stored as bytes q + shift (modulo 256), `shift` being what the level's product wants, and
/// is padded with q = 0 to padded_k(K) bytes.
constexpr std::int64_t kPadK = 64;
constexpr std::int64_t padded_k(std::int64_t K) { return (K + kPadK - 1) / kPadK * kPadK; }

/// What may be done to a row x [K] before it is quantised: it spreads outliers over the row, and
/// weights to which the same was done give the same product. The row is padded with 0 to K64 =
/// padded_k(K), then, each step rounded once:
///   r          x[k] · r[k]
///   n          in each 16·n neighbours, element 16·i + t being v[i][t]: for h = 1, 2, 4 .. < n and
///              all i without the bit h: (v[i], v[i+h]) = (v[i] + v[i+h], v[i] - v[i+h])
///   thirds     T = K64/3, a = x[j], b = x[T+j], c = x[2T+j], s = (a + b) + c:
///              each of a, b, c = fma(s, -2/3, itself)
///   in_lane    for S = 1, 2, 4, 8 and t < 16: y[t] = (t & S ? -v[t] : v[t]) + v[t ^ S]
/// Rotations but for the length: n multiplies it by sqrt(n), in_lane by 4.
/// Sources: Hadamard matrix, QuaRot, arXiv:2404.00456; r: SmoothQuant, arXiv:2211.10438.
struct RowTransform {
  const float* r = nullptr;  // [K] or null
  std::int32_t n = 0;    // 0: none of the rest; else a power of two up to 32 that divides K64/16
  bool thirds = false;   // only if 3 divides K64/(16·n)
  bool in_lane = false;  // after thirds
  bool any() const { return r != nullptr || n != 0; }
};

/// y[m,:] = transform of x[m,:]. y must not overlap x.
struct TransformRowsF32Args {
  float* y = nullptr;  // [M, padded_k(K)]
  std::int64_t ldy = 0;
  const float* x = nullptr;  // [M, K]
  std::int64_t ldx = 0;
  std::int64_t M = 0, K = 0;
  RowTransform transform = {};
};
using TransformRowsF32Fn = void (*)(const TransformRowsF32Args& args) noexcept;

/// Quantises the rows of x [M, K], or what first an activation and then a transform (K64 elements)
/// makes of them:
///   amax = max_k |x[m,k]|      inverse = amax >= kQuantizeMin ? 127 / amax : 0
///   scale[m] = amax / 127      q[m,k] = round_half_even(x[m,k] · inverse)
/// A NaN or an infinity in a row makes its scale NaN; its q are then any numbers in -127 .. 127,
/// the same at every level.
struct QuantizeRowsS8Args {
  std::uint8_t* q = nullptr;  // [M, padded_k(K)]
  std::int64_t ldq = 0;
  float* scale = nullptr;    // [M]
  const float* x = nullptr;  // [M, K]
  std::int64_t ldx = 0;
  std::int64_t M = 0, K = 0;
  std::uint8_t shift = 0;  // 0 or 128: GemmS8::shift of the product that reads q
  Activation activation = Activation::kNone;
  RowTransform transform = {};
  float* scratch = nullptr;  // [padded_k(K)], needed with an activation or a transform
};
using QuantizeRowsS8Fn = void (*)(const QuantizeRowsS8Args& args) noexcept;

/// One product of INT8 operands, exact in 32 bits for padded_k(K) <= kMaxKS8:
///   acc = sum over k < padded_k(K) of q[m,k]·w[n,k]: a transform fills the padding too
///   y[m,n] = fma(float(acc) · x_scale[m], w_scale[n], bias[n] or +0)
/// then activation, residual[m,n] + y. Columns [n_begin, n_end), y, residual as in GemmF32Args.
struct GemmS8Args {
  float* y = nullptr;  // [M, N]
  std::int64_t ldy = 0;
  const std::uint8_t* x = nullptr;  // [M, padded_k(K)], q + GemmS8::shift
  std::int64_t ldx = 0;
  const float* x_scale = nullptr;   // [M]
  const std::int8_t* w = nullptr;   // packed by pack_s8, 64-byte aligned
  const float* w_scale = nullptr;   // [N]
  const float* bias = nullptr;      // [N] or null
  const float* residual = nullptr;  // [M, N] or null
  std::int64_t ld_residual = 0;
  Activation activation = Activation::kNone;
  std::int64_t M = 0, N = 0, K = 0;
  std::int64_t n_begin = 0, n_end = 0;
};
/// 255 · 127 · kMaxKS8 < 2^31 with room for the sum that the shift adds.
inline constexpr std::int64_t kMaxKS8 = 65536;

struct GemmS8 {
  std::uint8_t shift;  // of the bytes of x
  void (*run)(const GemmS8Args& args) noexcept;
};

/// Packed INT8 weights, one layout for all levels, so that a file may hold it: panels of 48
/// columns, the last one as wide as its columns need, rounded up to 16. A panel of width P is
///   int32 [P]                    -128 · sum over k of w[n,k]: where a product with shift 128
///   begins int8  [padded_k(K)/4][P][4]  w[n, 4·i + j] at [i][n][j]; 0 for absent n and k
inline constexpr std::int64_t kPanelS8 = 48;
/// Bytes of a packed column: multiply by N rounded up to 16.
constexpr std::int64_t column_bytes_s8(std::int64_t K) { return padded_k(K) + 4; }

/// Packs columns [n_begin, n_end) (multiples of kPanelS8, or N) of w, whose element (n, k) is
/// w[n·stride_n + k·stride_k] in -127 .. 127. `packed` is the start of the whole packed matrix,
/// 64-byte aligned.
using PackS8Fn = void (*)(std::int8_t* packed, const std::int8_t* w, std::int64_t stride_n,
                          std::int64_t stride_k, std::int64_t K, std::int64_t n_begin,
                          std::int64_t n_end) noexcept;

/// True when columns [n_begin, n_end) (bounds as in PackS8Fn) are what packing gives: no -128, and
/// the sums in front are those of the columns. K is that of the packing.
using CheckPackedS8Fn = bool (*)(const std::int8_t* packed, std::int64_t K, std::int64_t n_begin,
                                 std::int64_t n_end) noexcept;

/// gemm_s4: the product of GemmS8Args with weights of 4 bits, for decoding. Groups of 32 of k share
/// a scale t, an integer too, so that every sum is exact in 32 bits for padded_k(K) <= kMaxKS4:
///   acc = sum over groups g of t[n,g] · sum over the k of g of x[m,k]·q[n,k],  q in -8 .. 7
/// x is stored without a shift, w is packed by pack_s4; columns are split at multiples of kPanelS4.
using GemmS4Fn = void (*)(const GemmS8Args& args) noexcept;
inline constexpr std::int64_t kGroupS4 = 32;
/// 512 groups of 128 · 32 · 127 · 8 < 2^31.
inline constexpr std::int64_t kMaxKS4 = 16384;

/// Packed weights of 4 bits, one layout for all levels: panels of 32 columns, the last one of 16 if
/// that holds it. A panel of width P has for every 64 of k
///   int8  [2][P]           t of two groups
///   uint8 [2][4][P][4]     at [g][i][n][j]: q[n, 32·g + 8·i + j] + 8, and 16 times that of k + 4
/// Columns from N on have t = 0.
inline constexpr std::int64_t kPanelS4 = 32;
/// Bytes of a packed column: multiply by N rounded up to 16.
constexpr std::int64_t column_bytes_s4(std::int64_t K) { return padded_k(K) / 64 * 34; }

/// Packs columns [n_begin, n_end) (multiples of kPanelS4, or N) of q [N, padded_k(K)] and t [N,
/// padded_k(K)/32]. `packed` is the start of the whole packed matrix, 64-byte aligned.
using PackS4Fn = void (*)(std::int8_t* packed, const std::int8_t* q, const std::int8_t* t,
                          std::int64_t K, std::int64_t n_begin, std::int64_t n_end) noexcept;

/// BF16 operands: the upper 16 bits of a float, rounded half to even. Below 2^-126 they are ±0, as
/// the instructions that multiply them take them; NaN stays NaN. Outside the promise of the same
/// bits: packing and rounding give the same bytes at every level, products differ in the order of
/// sums and in the rounding between them. A row of x is padded with 0 to padded_k_bf16(K) elements.
constexpr std::int64_t kPadKBf16 = 32;
constexpr std::int64_t padded_k_bf16(std::int64_t K) {
  return (K + kPadKBf16 - 1) / kPadKBf16 * kPadKBf16;
}

/// Rounds the rows of x [M, K] to y [M, padded_k_bf16(K)].
using RoundRowsBf16Fn = void (*)(std::uint16_t* y, std::int64_t ldy, const float* x,
                                 std::int64_t ldx, std::int64_t M, std::int64_t K) noexcept;

/// One product of BF16 operands, summed in FP32: y[m,n] = sum over k of x[m,k]·w[n,k], then, in
/// this order: + bias[n], activation, residual[m,n] + y. The reference sums as GemmF32Args does;
/// other levels may sum in any order and take partial sums below 2^-126 as 0. Columns [n_begin,
/// n_end), y, residual as in GemmF32Args.
struct GemmBf16Args {
  float* y = nullptr;  // [M, N]
  std::int64_t ldy = 0;
  const std::uint16_t* x = nullptr;  // [M, padded_k_bf16(K)] of round_rows_bf16
  std::int64_t ldx = 0;
  const std::uint16_t* w = nullptr;  // packed by pack_bf16, 64-byte aligned
  const float* bias = nullptr;       // [N] or null
  const float* residual = nullptr;   // [M, N] or null
  std::int64_t ld_residual = 0;
  Activation activation = Activation::kNone;
  std::int64_t M = 0, N = 0, K = 0;
  std::int64_t n_begin = 0, n_end = 0;
};
using GemmBf16Fn = void (*)(const GemmBf16Args& args) noexcept;

/// Packed BF16 weights, one layout for all levels: panels of 48 columns, the last one as wide as
/// its columns need, rounded up to 16. A panel of width P is [padded_k_bf16(K)/2][P][2]: w[n, 2·i +
/// j] at [i][n][j]; 0 for absent n and k. It takes padded_k_bf16(K) elements a column: multiply by
/// N rounded up to 16.
inline constexpr std::int64_t kPanelBf16 = 48;

/// Rounds and packs columns [n_begin, n_end) (multiples of kPanelBf16, or N) of w, whose element
/// (n, k) is w[n·stride_n + k·stride_k]. `packed` is the start of the whole packed matrix, 64-byte
/// aligned.
using PackBf16Fn = void (*)(std::uint16_t* packed, const float* w, std::int64_t stride_n,
                            std::int64_t stride_k, std::int64_t K, std::int64_t n_begin,
                            std::int64_t n_end) noexcept;

/// y[m,:] = (word[tokens[m],:] + type[types[m],:]) + position[positions[m],:], without the type
/// where it is null. A row of INT8 words is float(word_s8[t,:]) · word_scale[t] first.
struct EmbedRowsArgs {
  float* y = nullptr;  // [M, D]
  std::int64_t ldy = 0;
  const float* word = nullptr;           // [V, D], or null, and then:
  const std::int8_t* word_s8 = nullptr;  // [V, D]
  const float* word_scale = nullptr;     // [V]
  std::int64_t ld_word = 0;
  const float* type = nullptr;  // [types, D] or null
  std::int64_t ld_type = 0;
  const float* position = nullptr;  // [P, D]
  std::int64_t ld_position = 0;
  const std::int32_t* tokens = nullptr;     // [M] rows of the tables
  const std::int32_t* types = nullptr;      // [M], or null: all 0
  const std::int32_t* positions = nullptr;  // [M]
  std::int64_t M = 0, D = 0;
};
using EmbedRowsFn = void (*)(const EmbedRowsArgs& args) noexcept;

/// y[m,d] = (x[m,d] - mean[m]) * rstd[m] * gamma[d] + beta[d],
/// rstd = 1/sqrt(var + eps), var without Bessel's correction, two passes.
/// mean and rstd are [M] and may be null (inference). In place ok (y == x).
/// Source: Layer Normalization, arXiv:1607.06450, section 3.
using LayerNormF32Fn = void (*)(float* y, float* mean, float* rstd, const float* x,
                                const float* gamma, const float* beta, std::int64_t M,
                                std::int64_t D, float eps) noexcept;

/// layer_norm_f32 of x into y, then quantize_rows_s8 of y into q and scale, bit for bit: y for the
/// residual, q for the next product. In place ok (y == x).
struct LayerNormS8Args {
  float* y = nullptr;         // [M, D]
  std::uint8_t* q = nullptr;  // [M, padded_k(D)]
  std::int64_t ldq = 0;
  float* scale = nullptr;        // [M]
  const float* x = nullptr;      // [M, D]
  const float* gamma = nullptr;  // [D]
  const float* beta = nullptr;   // [D]
  std::int64_t M = 0, D = 0;
  float eps = 0;
  std::uint8_t shift = 0;  // as in QuantizeRowsS8Args, and so the others:
  RowTransform transform = {};
  float* scratch = nullptr;
};
using LayerNormS8Fn = void (*)(const LayerNormS8Args& args) noexcept;

/// y[m,:] = exp(x[m,:] - max) · (1 / Σ). In place ok.
using SoftmaxF32Fn = void (*)(float* y, std::int64_t ldy, const float* x, std::int64_t ldx,
                              std::int64_t M, std::int64_t N) noexcept;

/// y[i] = activation(x[i]). In place ok.
using ActivateF32Fn = void (*)(float* y, const float* x, std::int64_t n, Activation) noexcept;

/// dx[i] = dy[i] · activation'(x[i]). In place ok (dx == dy).
using ActivateBwdF32Fn = void (*)(float* dx, const float* dy, const float* x, std::int64_t n,
                                  Activation) noexcept;

/// The gradient of layer_norm_f32 with respect to x, from the mean and rstd that it gave:
///   g = dy·gamma      n = (x - mean)·rstd      dx = rstd·(g - Σg/D - n·Σ(g·n)/D)
/// In place ok (dx == dy).
struct LayerNormBwdF32Args {
  float* dx = nullptr;           // [M, D]
  const float* dy = nullptr;     // [M, D]
  const float* x = nullptr;      // [M, D]
  const float* gamma = nullptr;  // [D]
  const float* mean = nullptr;   // [M]
  const float* rstd = nullptr;   // [M]
  std::int64_t M = 0, D = 0;
};
using LayerNormBwdF32Fn = void (*)(const LayerNormBwdF32Args& args) noexcept;

/// The gradient of y = softmax(scale·s) with respect to s, row by row:
///   dx[m,:] = y·(dy - Σ(y·dy))·scale. In place ok (dx == dy).
struct SoftmaxBwdF32Args {
  float* dx = nullptr;  // [M, N] each, one leading dimension
  const float* dy = nullptr;
  const float* y = nullptr;
  std::int64_t ld = 0;
  float scale = 1;
  std::int64_t M = 0, N = 0;
};
using SoftmaxBwdF32Fn = void (*)(const SoftmaxBwdF32Args& args) noexcept;

/// Sums over tokens, the gradients of a bias and of LayerNorm's gamma and beta:
///   sum[n] = chain over t of sum[n] + a[t,n]
///   weighted[n] = chain over t of fma(a[t,n], (x[t,n] - mean[t])·rstd[t], weighted[n])
/// beginning at what they hold; without `weighted` the second is left out. Columns [n_begin, n_end)
/// are computed, any bounds.
struct SumColumnsF32Args {
  float* sum = nullptr;       // [N]
  float* weighted = nullptr;  // [N] or null
  const float* a = nullptr;   // [T, N]
  const float* x = nullptr;   // [T, N], ld as of a
  std::int64_t lda = 0;
  const float* mean = nullptr;  // [T]
  const float* rstd = nullptr;  // [T]
  std::int64_t T = 0;
  std::int64_t n_begin = 0, n_end = 0;
};
using SumColumnsF32Fn = void (*)(const SumColumnsF32Args& args) noexcept;

/// Dropout in place: x[i] is multiplied by 0 if (word >> 8) < threshold, else by scale, where word
/// is number e mod 4 of Philox4x32-10 with the counter (e / 4, sample, step, stream), e = first +
/// i. Source: Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
struct DropoutF32Args {
  float* x = nullptr;
  std::int64_t n = 0, first = 0;
  std::uint32_t sample = 0, step = 0, stream = 0;
  std::uint64_t seed = 0;
  std::uint32_t threshold = 0;  // p·2^24
  float scale = 1;              // 1 / (1 - p)
};
using DropoutF32Fn = void (*)(const DropoutF32Args& args) noexcept;

/// One step of AdamW, element by element, with g' = g·gradient_scale:
///   m = m + (g' - m)·one_minus_beta1      v = beta2·v + (one_minus_beta2·g')·g'
///   p = p·keep + step·m / (√v / root_correction2 + eps)
/// keep = 1 - lr·decay, step = -lr / (1 - beta1^t), root_correction2 = √(1 - beta2^t).
/// Source: Decoupled Weight Decay Regularization, arXiv:1711.05101, in the form of torch.
struct AdamwF32Args {
  float *p = nullptr, *m = nullptr, *v = nullptr;
  const float* g = nullptr;
  std::int64_t n = 0;
  float gradient_scale = 1, keep = 1, one_minus_beta1 = 0, beta2 = 0, one_minus_beta2 = 0,
        root_correction2 = 1, eps = 0, step = 0;
};
using AdamwF32Fn = void (*)(const AdamwF32Args& args) noexcept;

/// One step of SGD: g' = g·gradient_scale + weight_decay·p; with a buffer, b = momentum·b + g' and
/// g' = b, or g' + momentum·b with nesterov; then p = p + step·g', step = -lr.
struct SgdF32Args {
  float* p = nullptr;
  float* buffer = nullptr;  // null without momentum
  const float* g = nullptr;
  std::int64_t n = 0;
  float gradient_scale = 1, weight_decay = 0, momentum = 0, step = 0;
  bool nesterov = false;
};
using SgdF32Fn = void (*)(const SgdF32Args& args) noexcept;

/// x = e^x in place, the bytes of math::exp of engine/core/math.h.
using ExpF64Fn = void (*)(double* x, std::int64_t n) noexcept;

/// sums[m] = Σ x[m,:]² in double, summed as in a row reduction.
using SumsOfSquaresF32Fn = void (*)(double* sums, const float* x, std::int64_t M,
                                    std::int64_t D) noexcept;

/// y[m,:] = x[m,:] / max(‖x[m,:]‖₂, eps), the squares summed as in a row reduction. In place ok.
using NormalizeL2F32Fn = void (*)(float* y, const float* x, std::int64_t M, std::int64_t D,
                                  float eps) noexcept;

/// Keys side by side where AttentionF32Args has them in panels.
constexpr std::int64_t kKeyPanel = 16;

/// Scaled dot-product attention of one head of one sequence:
///   s[i,j] = (chain over d of q[i,d]·k[j,d]) · scale
///   y[i,:] = (chain over j of exp(s[i,j] - max_j s[i,j]) · v[j,:]) · (1 / Σ_j exp(…))
/// for the queries i = query_begin .. query_end-1 and all `keys` keys, or if causal keys 0 .. i:
/// those after a query do not exist for it, so that a query alone over the keys of a cache gives
/// the row that it gives among all. keys >= query_end if causal.
/// Source: Attention Is All You Need, arXiv:1706.03762, section 3.2.1.
struct AttentionF32Args {
  float* y = nullptr;  // row i of the sequence at y + i·ldy, head_width columns
  std::int64_t ldy = 0;
  const float* q = nullptr;  // row i of the sequence at q + i·ld_qkv, head_width columns
  const float* k = nullptr;  // [keys, head_width], or as k_in_panels says
  const float* v = nullptr;  // [keys, head_width]
  std::int64_t ld_qkv = 0;
  std::int64_t ld_kv = 0;  // of k and v; 0: ld_qkv
  // k is [⌈keys/16⌉][head_width][16]: key j is lane j % 16 of panel j / 16, as a cache that grows
  // by one key keeps them. What the lanes past the last key hold does not matter.
  bool k_in_panels = false;
  std::int64_t keys = 0, head_width = 0;
  std::int64_t query_begin = 0, query_end = 0;
  float scale = 1;
  bool causal = false;
  float* scratch = nullptr;  // scratch_floats(keys, head_width), 64-byte aligned
};

struct AttentionF32 {
  std::int64_t (*scratch_floats)(std::int64_t keys, std::int64_t head_width) noexcept;
  void (*run)(const AttentionF32Args& args) noexcept;
};

/// attention_f32 in exact INT8, each row of a head's q, k and v quantised as quantize_rows_s8 does:
///   s[i,j] = float(sum over d of q8[i,d]·k8[j,d]) · (q_scale[i]·scale) · k_scale[j]
///   e[i,j] = exp(s[i,j] - max_j s[i,j])       p[i,j] = e[i,j] · v_scale[j]
///   P[i] = max_j p[i,j]      inverse = P >= kQuantizeMin ? 255 / P : 0
///   u[i,j] = round_half_even(p[i,j] · inverse), in 0 .. 255
///   y[i,:] = float(sum over j of u[i,j]·v8[j,:]) · (P[i] / 255 · (1 / Σ_j e[i,j]))
/// over all keys, or over keys 0 .. i if causal. No scale depends on a key that the query does not
/// see, so a query alone gives the row it gives among all. A q row, or a k or v row that it sees,
/// that is not finite makes the row of y NaN. keys <= kMaxKS8.
struct AttentionS8Args {
  float* y = nullptr;  // as in AttentionF32Args
  std::int64_t ldy = 0;
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  std::int64_t ld_qkv = 0;
  std::int64_t keys = 0, head_width = 0;
  std::int64_t query_begin = 0, query_end = 0;
  float scale = 1;
  bool causal = false;
  float* scratch = nullptr;  // scratch_floats(keys, head_width), 64-byte aligned
};

struct AttentionS8 {
  std::int64_t (*scratch_floats)(std::int64_t keys, std::int64_t head_width) noexcept;
  void (*run)(const AttentionS8Args& args) noexcept;
};

}  // namespace linnet::kernels
