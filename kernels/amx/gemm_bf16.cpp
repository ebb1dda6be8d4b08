#include "kernels/amx/amx.h"
#include "kernels/amx/blocks.h"
#include "kernels/avx512/finish_f32.h"

// y = x·Wᵀ of BF16 operands.
namespace linnet::kernels::amx {
namespace {

constexpr std::int64_t kBytes = sizeof(std::uint16_t);
static_assert(kPadKBf16 * kBytes == kStep);

struct ProductBf16 {
  using Args = GemmBf16Args;
  using Sum = float;

  static Operands operands(const Args& a) {
    return operands_of(a, kBytes, padded_k_bf16(a.K) * kBytes, kPanelBf16, 0);
  }
  template <int c, int a, int b, class Tiles>
  static void dot(Tiles& tiles) {
    tiles.template dot_bf16<c, a, b>();
  }
  static void finish(const Args& a, std::int64_t m, std::int64_t rows, std::int64_t n,
                     std::int64_t width, const Sum* sums, std::int64_t pitch) {
    avx512::finish_tile_f32(a, {m, rows, n, width}, sums, pitch);
  }
};

}  // namespace

void gemm_bf16(const GemmBf16Args& a) noexcept { gemm_of<ProductBf16, HardwareTiles>(a); }

void gemm_bf16_emulated(const GemmBf16Args& a) noexcept { gemm_of<ProductBf16, EmulatedTiles>(a); }

}  // namespace linnet::kernels::amx
