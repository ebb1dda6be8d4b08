#pragma once

#include "kernels/ops.h"

// What the products with weights of 4 bits share. They take weights as unsigned q + 8, so that the
// sums of a group begin at -8 times the sum of its x. In an anonymous namespace, as formulas.h.
namespace linnet::kernels {
namespace {

constexpr std::int64_t kManyRowsS4 = 16;  // rows whose sums of groups are made at once
constexpr std::int64_t kMaxGroupsS4 = kMaxKS4 / kGroupS4;

/// -8 times the sums of the groups of some rows.
struct BeginsS4 {
  std::int16_t of[kManyRowsS4][kMaxGroupsS4];

  BeginsS4(const GemmS8Args& a, std::int64_t m, std::int64_t rows) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::uint8_t* x = a.x + (m + r) * a.ldx;
      for (std::int64_t g = 0; g < padded_k(a.K) / kGroupS4; ++g, x += kGroupS4) {
        std::int32_t sum = 0;
        for (std::int64_t k = 0; k < kGroupS4; ++k) sum += static_cast<std::int8_t>(x[k]);
        of[r][g] = static_cast<std::int16_t>(-8 * sum);
      }
    }
  }
};

/// One panel: where it starts in y, its packed bytes and how wide it is.
struct PanelS4 {
  const std::int8_t* w;
  std::int64_t n, width;
};

/// run(panel, m, rows, begins) for every panel of every kManyRowsS4 rows from m.
template <class Run>
inline void for_panels_s4(const GemmS8Args& a, Run run) {
  for (std::int64_t m = 0; m < a.M; m += kManyRowsS4) {
    const std::int64_t rows = a.M - m < kManyRowsS4 ? a.M - m : kManyRowsS4;
    const BeginsS4 begins(a, m, rows);
    for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanelS4) {
      const std::int64_t width = a.n_end - n < kPanelS4 ? a.n_end - n : kPanelS4;
      run(PanelS4{a.w + n * column_bytes_s4(a.K), n, width}, m, rows, begins);
    }
  }
}

}  // namespace
}  // namespace linnet::kernels
