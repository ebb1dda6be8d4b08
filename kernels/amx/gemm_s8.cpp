#include "kernels/amx/amx.h"
#include "kernels/amx/blocks.h"
#include "kernels/avx512/finish_s8.h"

// y = x·Wᵀ of INT8 operands.
namespace linnet::kernels::amx {
namespace {

static_assert(kPadK == kStep);

struct ProductS8 {
  using Args = GemmS8Args;
  using Sum = std::int32_t;

  static Operands operands(const Args& a) {
    const std::int64_t row_bytes = padded_k(a.K);
    return operands_of(a, 1, row_bytes, kPanelS8, column_bytes_s8(a.K) - row_bytes);
  }
  template <int c, int a, int b, class Tiles>
  static void dot(Tiles& tiles) {
    tiles.template dot_s8s8<c, a, b>();
  }
  static void finish(const Args& a, std::int64_t m, std::int64_t rows, std::int64_t n,
                     std::int64_t width, const Sum* sums, std::int64_t pitch) {
    avx512::finish_tile_s8(a, {m, rows, n, width}, sums, pitch);
  }
};

}  // namespace

void gemm_s8(const GemmS8Args& a) noexcept { gemm_of<ProductS8, HardwareTiles>(a); }

void gemm_s8_emulated(const GemmS8Args& a) noexcept { gemm_of<ProductS8, EmulatedTiles>(a); }

}  // namespace linnet::kernels::amx
