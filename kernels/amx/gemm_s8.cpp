#include "kernels/amx/amx.h"
#include "kernels/amx/tile.h"
#include "kernels/avx512/finish_s8.h"

// y = x·Wᵀ of INT8 operands, 32 rows x 32 columns at a time: tiles 0..3 hold the sums, 4 and 5 two
// times 16 rows of x, 6 and 7 two groups of 16 columns of w. 32 rows of x stay in the first-level
// cache while the columns of a part of w that fits the second-level cache stream past them.
namespace linnet::kernels::amx {
namespace {

constexpr std::int64_t kTile = 16;            // rows, and columns, of a tile of sums
constexpr std::int64_t kPartBytes = 1 << 20;  // of w, read once for every block of rows
constexpr std::int64_t kPitch = 2 * kTile;    // of the tile of sums in memory

std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

/// 16 columns of w: their first bytes and the distance from 4 k to the next.
struct Group {
  const std::int8_t* w;
  std::int64_t stride;
};

Group group_of(const GemmS8Args& a, std::int64_t n) {
  const std::int64_t first = n / kPanelS8 * kPanelS8;
  const std::int64_t width = least(a.N - first, kPanelS8);
  const std::int64_t pitch = (width + kTile - 1) / kTile * kTile;
  const std::int8_t* panel = a.w + first * column_bytes_s8(a.K);
  return {panel + 4 * (pitch + n - first), 4 * pitch};
}

/// Tiles for `rows` rows of x, 1 .. 32.
TileConfig config_of(std::int64_t rows) {
  TileConfig c;
  for (int t = 0; t < 8; ++t) {
    const bool lower = t == 2 || t == 3 || t == 5;  // rows 16 .. 31
    const std::int64_t of_rows = lower ? rows - kTile : least(rows, kTile);
    const std::int64_t used = t >= 6 ? kTile : of_rows < 0 ? 0 : of_rows;
    c.rows[t] = static_cast<std::uint8_t>(used);
    c.colsb[t] = used > 0 ? 64 : 0;  // a tile without rows is not configured
  }
  return c;
}

/// 16·RT rows from m and CT groups of 16 columns from n. `rows` may be fewer.
template <class Tiles, int RT, int CT>
void block(Tiles& tiles, const GemmS8Args& a, std::int64_t m, std::int64_t rows, std::int64_t n) {
  const std::uint8_t* x = a.x + m * a.ldx;
  const std::uint8_t* lower = x + kTile * a.ldx;
  Group left = group_of(a, n), right = CT == 2 ? group_of(a, n + kTile) : left;
  tiles.template zero<0>();
  if constexpr (CT == 2) tiles.template zero<1>();
  if constexpr (RT == 2) tiles.template zero<2>();
  if constexpr (RT == 2 && CT == 2) tiles.template zero<3>();
  for (std::int64_t k = 0; k < padded_k(a.K); k += kPadK) {
    tiles.template stream_load<6>(left.w, left.stride);
    tiles.template load<4>(x + k, a.ldx);
    tiles.template dot_s8s8<0, 4, 6>();
    if constexpr (CT == 2) {
      tiles.template stream_load<7>(right.w, right.stride);
      tiles.template dot_s8s8<1, 4, 7>();
    }
    if constexpr (RT == 2) {
      tiles.template load<5>(lower + k, a.ldx);
      tiles.template dot_s8s8<2, 5, 6>();
    }
    if constexpr (RT == 2 && CT == 2) tiles.template dot_s8s8<3, 5, 7>();
    left.w += kTile * left.stride;
    right.w += kTile * right.stride;
  }
  alignas(64) std::int32_t sums[2 * kTile * kPitch];
  constexpr std::int64_t kStride = kPitch * 4;
  tiles.template store<0>(sums, kStride);
  if constexpr (CT == 2) tiles.template store<1>(sums + kTile, kStride);
  if constexpr (RT == 2) tiles.template store<2>(sums + kTile * kPitch, kStride);
  if constexpr (RT == 2 && CT == 2) tiles.template store<3>(sums + kTile * kPitch + kTile, kStride);
  avx512::finish_tile_s8(a, {m, rows, n, least(a.n_end - n, CT * kTile)}, sums, kPitch);
}

/// `rows` rows, at most 32, of columns [n_begin, n_end).
template <class Tiles>
void rows_of(Tiles& tiles, const GemmS8Args& a, std::int64_t m, std::int64_t rows,
             std::int64_t n_begin, std::int64_t n_end) {
  for (std::int64_t n = n_begin; n < n_end; n += 2 * kTile) {
    const bool pair = n_end - n > kTile;
    if (rows > kTile) {
      pair ? block<Tiles, 2, 2>(tiles, a, m, rows, n) : block<Tiles, 2, 1>(tiles, a, m, rows, n);
    } else {
      pair ? block<Tiles, 1, 2>(tiles, a, m, rows, n) : block<Tiles, 1, 1>(tiles, a, m, rows, n);
    }
  }
}

template <class Tiles>
void gemm_of(const GemmS8Args& a) {
  if (a.M <= 0) return;
  const std::int64_t fitting = kPartBytes / column_bytes_s8(a.K) / (2 * kTile) * (2 * kTile);
  const std::int64_t part = fitting > 0 ? fitting : 2 * kTile, whole = a.M / 32 * 32;
  for (std::int64_t n = a.n_begin; n < a.n_end; n += part) {
    const std::int64_t end = least(n + part, a.n_end);
    if (whole > 0) {
      Tiles tiles(config_of(32));
      for (std::int64_t m = 0; m < whole; m += 32) rows_of(tiles, a, m, 32, n, end);
    }
    if (whole < a.M) {
      Tiles tiles(config_of(a.M - whole));
      rows_of(tiles, a, whole, a.M - whole, n, end);
    }
  }
}

}  // namespace

void gemm_s8(const GemmS8Args& a) noexcept { gemm_of<HardwareTiles>(a); }

void gemm_s8_emulated(const GemmS8Args& a) noexcept { gemm_of<EmulatedTiles>(a); }

}  // namespace linnet::kernels::amx
