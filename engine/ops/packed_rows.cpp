#include "engine/ops/packed_rows.h"

#include <algorithm>
#include <cstring>

namespace linnet {

void unpack_row_s8(std::int8_t* q, const std::byte* packed, std::int64_t n, std::int64_t N,
                   std::int64_t K) {
  const std::int64_t first = n / kernels::kPanelS8 * kernels::kPanelS8;
  const std::int64_t pitch = std::min(kernels::kPanelS8, (N - first + 15) / 16 * 16);
  const std::byte* panel = packed + first * kernels::column_bytes_s8(K) + 4 * pitch;
  for (std::int64_t k = 0; k < kernels::padded_k(K); k += 4) {
    std::memcpy(q + k, panel + k * pitch + 4 * (n - first), 4);
  }
}

void unpack_row_s4(std::int8_t* q, std::int8_t* t, const std::byte* packed, std::int64_t n,
                   std::int64_t N, std::int64_t K) {
  const std::int64_t first = n / kernels::kPanelS4 * kernels::kPanelS4, column = n - first;
  const std::int64_t pitch = N - first > 16 ? 32 : 16;
  const std::byte* both = packed + first * kernels::column_bytes_s4(K);  // of two groups
  for (std::int64_t k = 0; k < kernels::padded_k(K); k += 64, both += 34 * pitch) {
    *t++ = static_cast<std::int8_t>(both[column]);
    *t++ = static_cast<std::int8_t>(both[pitch + column]);
    for (std::int64_t i = 0; i < 64; ++i) {
      const auto byte =
          std::to_integer<std::int32_t>(both[2 * pitch + (i / 8 * pitch + column) * 4 + i % 4]);
      q[k + i] = static_cast<std::int8_t>((i % 8 < 4 ? byte & 15 : byte >> 4) - 8);
    }
  }
}

}  // namespace linnet
