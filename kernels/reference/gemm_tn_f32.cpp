#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

// c = aᵀ·b: 16 columns of c at a time, so that the compiler runs their chains side by side.
namespace linnet::kernels::reference {
namespace {

constexpr std::int64_t kColumns = 16;

}  // namespace

void gemm_tn_f32(const GemmTnF32Args& g) noexcept {
  for (std::int64_t n = g.n_begin; n < g.n_end; ++n) {
    for (std::int64_t k = 0; k < g.K; k += kColumns) {
      const std::int64_t width = g.K - k < kColumns ? g.K - k : kColumns;
      float* c = g.c + n * g.ldc + k;
      float acc[kColumns] = {};
      if (g.start == ChainStart::kContinue) {
        for (std::int64_t j = 0; j < width; ++j) acc[j] = c[j];
      }
      for (std::int64_t t = 0; t < g.T; ++t) {
        for (std::int64_t j = 0; j < width; ++j) {
          acc[j] = Scalar::fma(g.a[t * g.lda + n], g.b[t * g.ldb + k + j], acc[j]);
        }
      }
      for (std::int64_t j = 0; j < width; ++j) c[j] = acc[j];
    }
  }
}

}  // namespace linnet::kernels::reference
