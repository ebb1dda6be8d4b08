#pragma once

#include "kernels/amx/tile.h"

// y = x·Wᵀ, 32 rows x 32 columns at a time: tiles 0..3 hold the sums, 4 and 5 two times 16 rows of
// x, 6 and 7 two groups of 16 columns of w. 32 rows of x stay in the first-level cache while the
// columns of a part of w that fits the second-level cache stream past them. In bytes the operands
// of INT8 and of BF16 look alike: steps of 64 bytes of a row of x, against 4 bytes each of 16
// columns of w in 16 rows. A type says how they are multiplied and what becomes of the sums:
//   struct Product {
//     using Args = …; using Sum = …;  // of 4 bytes
//     static Operands operands(const Args&);
//     template <int c, int a, int b, class Tiles> static void dot(Tiles&);
//     // rows m .. m+rows-1, columns n .. n+width-1 of sums [rows][pitch], 64-byte aligned
//     static void finish(const Args&, m, rows, n, width, const Sum* sums, pitch);
//   };
namespace linnet::kernels::amx {
namespace {

constexpr std::int64_t kTile = 16;            // rows, and columns, of a tile of sums
constexpr std::int64_t kStep = 64;            // bytes of a row of x in a tile
constexpr std::int64_t kPartBytes = 1 << 20;  // of w, read once for every block of rows
constexpr std::int64_t kPitch = 2 * kTile;    // of the tile of sums in memory

inline std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

/// x and w in bytes. Panels of `panel` columns of w, the last one rounded up to 16, have
/// `first_bytes` a column before the rows of 4 bytes a column that are multiplied.
struct Operands {
  const std::uint8_t* x;
  std::int64_t ldx, row_bytes;  // of x, row_bytes a multiple of kStep
  const std::uint8_t* w;
  std::int64_t panel, first_bytes;
  std::int64_t M, N, n_begin, n_end;

  std::int64_t column_bytes() const { return first_bytes + row_bytes; }
};

/// The operands of a product of elements of so many bytes, whose rows of x take `row_bytes`.
template <class Args>
inline Operands operands_of(const Args& a, std::int64_t element_bytes, std::int64_t row_bytes,
                            std::int64_t panel, std::int64_t first_bytes) {
  return {reinterpret_cast<const std::uint8_t*>(a.x),
          a.ldx * element_bytes,
          row_bytes,
          reinterpret_cast<const std::uint8_t*>(a.w),
          panel,
          first_bytes,
          a.M,
          a.N,
          a.n_begin,
          a.n_end};
}

/// 16 columns of w: their first bytes and the distance to the next 4 of each.
struct Group {
  const std::uint8_t* w;
  std::int64_t stride;
};

inline Group group_of(const Operands& o, std::int64_t n) {
  const std::int64_t first = n / o.panel * o.panel;
  const std::int64_t width = least(o.N - first, o.panel);
  const std::int64_t pitch = (width + kTile - 1) / kTile * kTile;
  const std::uint8_t* panel = o.w + first * o.column_bytes();
  return {panel + o.first_bytes * pitch + 4 * (n - first), 4 * pitch};
}

/// Tiles for `rows` rows of x, 1 .. 32.
inline TileConfig config_of(std::int64_t rows) {
  TileConfig c;
  for (int t = 0; t < 8; ++t) {
    const bool lower = t == 2 || t == 3 || t == 5;  // rows 16 .. 31
    const std::int64_t of_rows = lower ? rows - kTile : least(rows, kTile);
    const std::int64_t used = t >= 6 ? kTile : of_rows < 0 ? 0 : of_rows;
    c.rows[t] = static_cast<std::uint8_t>(used);
    c.colsb[t] = used > 0 ? kStep : 0;  // a tile without rows is not configured
  }
  return c;
}

/// 16·RT rows from m and CT groups of 16 columns from n. `rows` may be fewer.
template <class Product, class Tiles, int RT, int CT>
void block(Tiles& tiles, const typename Product::Args& a, const Operands& o, std::int64_t m,
           std::int64_t rows, std::int64_t n) {
  const std::uint8_t* x = o.x + m * o.ldx;
  const std::uint8_t* lower = x + kTile * o.ldx;
  Group left = group_of(o, n), right = CT == 2 ? group_of(o, n + kTile) : left;
  tiles.template zero<0>();
  if constexpr (CT == 2) tiles.template zero<1>();
  if constexpr (RT == 2) tiles.template zero<2>();
  if constexpr (RT == 2 && CT == 2) tiles.template zero<3>();
  for (std::int64_t k = 0; k < o.row_bytes; k += kStep) {
    tiles.template stream_load<6>(left.w, left.stride);
    tiles.template load<4>(x + k, o.ldx);
    Product::template dot<0, 4, 6>(tiles);
    if constexpr (CT == 2) {
      tiles.template stream_load<7>(right.w, right.stride);
      Product::template dot<1, 4, 7>(tiles);
    }
    if constexpr (RT == 2) {
      tiles.template load<5>(lower + k, o.ldx);
      Product::template dot<2, 5, 6>(tiles);
    }
    if constexpr (RT == 2 && CT == 2) Product::template dot<3, 5, 7>(tiles);
    left.w += kTile * left.stride;
    right.w += kTile * right.stride;
  }
  alignas(64) typename Product::Sum sums[2 * kTile * kPitch];
  constexpr std::int64_t kStride = kPitch * 4;
  tiles.template store<0>(sums, kStride);
  if constexpr (CT == 2) tiles.template store<1>(sums + kTile, kStride);
  if constexpr (RT == 2) tiles.template store<2>(sums + kTile * kPitch, kStride);
  if constexpr (RT == 2 && CT == 2) tiles.template store<3>(sums + kTile * kPitch + kTile, kStride);
  Product::finish(a, m, rows, n, least(o.n_end - n, CT * kTile), sums, kPitch);
}

/// `rows` rows, at most 32, of columns [n_begin, n_end).
template <class Product, class Tiles>
void rows_of(Tiles& tiles, const typename Product::Args& a, const Operands& o, std::int64_t m,
             std::int64_t rows, std::int64_t n_begin, std::int64_t n_end) {
  for (std::int64_t n = n_begin; n < n_end; n += 2 * kTile) {
    const bool pair = n_end - n > kTile;
    if (rows > kTile) {
      pair ? block<Product, Tiles, 2, 2>(tiles, a, o, m, rows, n)
           : block<Product, Tiles, 2, 1>(tiles, a, o, m, rows, n);
    } else {
      pair ? block<Product, Tiles, 1, 2>(tiles, a, o, m, rows, n)
           : block<Product, Tiles, 1, 1>(tiles, a, o, m, rows, n);
    }
  }
}

template <class Product, class Tiles>
void gemm_of(const typename Product::Args& a) {
  const Operands o = Product::operands(a);
  if (o.M <= 0) return;
  const std::int64_t fitting = kPartBytes / o.column_bytes() / (2 * kTile) * (2 * kTile);
  const std::int64_t part = fitting > 0 ? fitting : 2 * kTile, whole = o.M / 32 * 32;
  for (std::int64_t n = o.n_begin; n < o.n_end; n += part) {
    const std::int64_t end = least(n + part, o.n_end);
    if (whole > 0) {
      Tiles tiles(config_of(32));
      for (std::int64_t m = 0; m < whole; m += 32) rows_of<Product>(tiles, a, o, m, 32, n, end);
    }
    if (whole < o.M) {
      Tiles tiles(config_of(o.M - whole));
      rows_of<Product>(tiles, a, o, whole, o.M - whole, n, end);
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::amx
