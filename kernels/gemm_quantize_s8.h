#pragma once

#include "kernels/kernel_table.h"

namespace linnet::kernels {

/// Rows of floats that gemm_quantize_s8() keeps at a time.
inline constexpr std::int64_t kRowsBetweenS8 = 32;

/// table.gemm_s8 and then table.quantize_rows_s8 of the rows that it wrote, bit for bit, a few rows
/// at a time, so that the floats between them stay in the second-level cache. Rows have to be
/// whole: threads share them by rows of x.
struct GemmQuantizeS8Args {
  GemmS8Args product;           // y is scratch, [min(M, kRowsBetweenS8), N]; all columns
  QuantizeRowsS8Args quantize;  // of N elements a row; x, ldx, M and K are not read
};
/// An activation is faster in `quantize` than in `product`: there the whole row is in step, here a
/// block of a few columns waits for its longest chain.
void gemm_quantize_s8(const KernelTable& table, const GemmQuantizeS8Args& args) noexcept;

}  // namespace linnet::kernels
