#pragma once

#include "kernels/avx2/bytes.h"
#include "kernels/avx2/chains.h"
#include "kernels/avx2/finish_s8.h"

// y = x·Wᵀ of INT8 operands in vectors of 8 columns x 4 k: what the levels that have 16 registers
// share.
namespace linnet::kernels::avx2 {
namespace {

/// Some columns of a panel, from column n of y.
struct Columns {
  const std::int8_t *begin, *w;  // int32 where sums with a shift begin, int8 weights
  std::int64_t pitch;            // bytes from 4 k to the next
  std::int64_t n, width;

  Columns from(std::int64_t j, std::int64_t most) const {
    return {begin + 4 * j, w + 4 * j, pitch, n + j, width - j < most ? width - j : most};
  }
};

/// Weights are asked for so many bytes before their use.
inline std::int64_t ahead(const Columns& c) { return 16 * c.pitch; }

/// f(panel, part) for each panel of the columns and each nearly equal part of the rows.
template <class F>
void for_blocks_s8(const GemmS8Args& a, std::int64_t most_rows, F f) {
  const std::int64_t parts = (a.M + most_rows - 1) / most_rows;
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanelS8) {
    const std::int64_t width = a.n_end - n < kPanelS8 ? a.n_end - n : kPanelS8;
    const std::int64_t pitch = (width + 15) / 16 * 64;
    const std::int8_t* panel = a.w + n * column_bytes_s8(a.K);
    const Columns columns = {panel, panel + pitch, pitch, n, width};
    for (std::int64_t i = 0; i < parts; ++i) f(columns, part_of(a.M, parts, i));
  }
}

}  // namespace
}  // namespace linnet::kernels::avx2
