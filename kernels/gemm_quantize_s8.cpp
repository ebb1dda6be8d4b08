#include "kernels/gemm_quantize_s8.h"

#include <algorithm>

namespace linnet::kernels {

void gemm_quantize_s8(const KernelTable& table, const GemmQuantizeS8Args& args) noexcept {
  constexpr std::int64_t kStep = 8;  // rows that products compute at a time
  const std::int64_t M = args.product.M, N = args.product.N;
  const std::int64_t blocks = (M + kRowsBetweenS8 - 1) / kRowsBetweenS8;
  if (blocks == 0) return;
  const std::int64_t size = ((M + blocks - 1) / blocks + kStep - 1) / kStep * kStep;
  for (std::int64_t m = 0; m < M; m += size) {
    const std::int64_t rows = std::min(size, M - m);
    GemmS8Args product = args.product;
    product.x += m * product.ldx;
    product.x_scale += m;
    if (product.residual != nullptr) product.residual += m * product.ld_residual;
    product.M = rows;
    product.n_begin = 0, product.n_end = N;
    table.gemm_s8.run(product);
    QuantizeRowsS8Args quantize = args.quantize;
    quantize.q += m * quantize.ldq;
    quantize.scale += m;
    quantize.x = product.y, quantize.ldx = product.ldy;
    quantize.M = rows, quantize.K = N;
    table.quantize_rows_s8(quantize);
  }
}

}  // namespace linnet::kernels
