#pragma once

#include "engine/compress/quantized_linear.h"
#include "engine/core/mat.h"
#include "kernels/kernel_table.h"

// What the inputs of a layer on some real or random tokens are good for.
//
//   T tokens   N outputs   K inputs   K64 = padded_k(K)
namespace linnet::compress {

/// The factors r [K] that even out inputs against weights, of geometric mean 1:
///   r[k] = sqrt(max_n |w[n,k]| / max_t |x[t,k]|), both maxima at least 1e-5
/// Source: SmoothQuant, arXiv:2211.10438, section 4, with migration strength 1/2. Throws kNumeric
/// for inputs that are not finite.
std::vector<float> smoothing_factors(const float* w, std::int64_t N, Mat<const float> x);

/// quantize_linear() that minimises the error of the products with x [T, K] instead of that of each
/// weight. With W' of the recipe, Z = the transformed rows of x, H = ZᵀZ + 0.05·mean(diag)·I:
///   scale   of 26 shares 1, 0.98 .. 0.5 of absmax/127 the one of the least Σ H[k,k]·(w - scale·q)²
///   q       one column after the other, that of the greatest H[k,k] first, so that a column makes
///           up for the errors e = w - scale·q of those before it
/// The second step in closed form: with the columns in the opposite order and H = L·Lᵀ, column k
/// rounds w[k] + Σ_{j > k} (L[j,k] / L[k,k])·e[j], from the last to the first.
/// Sources: GPTQ, arXiv:2210.17323; this form of it: QuIP, arXiv:2307.13304, section 3.
/// The same numbers at every level and on any number of threads. Throws as quantize_linear(), and
/// kNumeric for inputs that are not finite.
QuantizedLinear quantize_calibrated(Threads& threads, const kernels::KernelTable& kernels,
                                    const float* w, std::int64_t N, LinearRecipe recipe,
                                    Mat<const float> x);

}  // namespace linnet::compress
