#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

bool check_packed_s8(const std::int8_t* packed, std::int64_t K, std::int64_t n_begin,
                     std::int64_t n_end) noexcept {
  bool good = true;
  for (std::int64_t n = n_begin; n < n_end; n += kPanelS8) {
    const std::int64_t width = n_end - n < kPanelS8 ? n_end - n : kPanelS8;
    const std::int64_t pitch = (width + 15) / 16 * 16;
    const std::int8_t* panel = packed + n * column_bytes_s8(K);
    for (std::int64_t c = 0; c < pitch; ++c) {
      std::int32_t stored, sum = 0;
      __builtin_memcpy(&stored, panel + c * 4, 4);
      for (std::int64_t i = 0; i < padded_k(K); ++i) {
        const std::int8_t v = panel[pitch * 4 + (i / 4 * pitch + c) * 4 + i % 4];
        good = good && v != -128;
        sum += v;
      }
      good = good && stored == -128 * sum;
    }
  }
  return good;
}

}  // namespace linnet::kernels::reference
