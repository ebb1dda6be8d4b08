#include "kernels/reference/bf16.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void round_rows_bf16(std::uint16_t* y, std::int64_t ldy, const float* x, std::int64_t ldx,
                     std::int64_t M, std::int64_t K) noexcept {
  for (std::int64_t m = 0; m < M; ++m) {
    std::uint16_t* row = y + m * ldy;
    for (std::int64_t k = 0; k < K; ++k) row[k] = to_bf16(x[m * ldx + k]);
    for (std::int64_t k = K; k < padded_k_bf16(K); ++k) row[k] = 0;
  }
}

}  // namespace linnet::kernels::reference
