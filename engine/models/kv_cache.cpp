// Dimension key: A = heads · head width.
#include "engine/models/kv_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "engine/core/assert.h"
#include "kernels/ops.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

constexpr std::int64_t kFloat = sizeof(float);

std::int64_t product(std::int64_t a, std::int64_t b) {
  if (b != 0 && a > std::numeric_limits<std::int64_t>::max() / b) {
    throw Error(ErrorCode::kLimit, "key/value cache: the size overflows");
  }
  return a * b;
}

// Positions in whole panels.
std::int64_t rounded(std::int64_t positions) {
  constexpr std::int64_t kPanel = kernels::kKeyPanel;
  return product((positions / kPanel) + (positions % kPanel != 0 ? 1 : 0), kPanel);
}

// The place of element d of a key in the panels of its head.
std::int64_t in_panels(std::int64_t position, std::int64_t d, std::int64_t head_width) {
  constexpr std::int64_t kPanel = kernels::kKeyPanel;
  return (position / kPanel * head_width + d) * kPanel + position % kPanel;
}

// Bytes of the keys or the values of one head, INT8 with the scales behind them.
std::int64_t head_bytes(const KvCacheShape& shape) {
  const std::int64_t positions = rounded(shape.positions), W = shape.A / shape.heads;
  return shape.type == CacheType::kInt8 ? product(positions, W + kFloat)
                                        : product(positions, product(W, kFloat));
}

// Row x [W] in INT8, its numbers `step` apart, and its scale: the formula of quantize_rows_s8.
float quantize(std::int8_t* q, std::int64_t step, const float* x, std::int64_t W) {
  constexpr float kLeast = 1e-30f;
  float amax = 0;
  bool finite = true;
  for (std::int64_t d = 0; d < W; ++d) {
    finite = finite && std::isfinite(x[d]);
    amax = std::max(amax, std::abs(x[d]));
  }
  const float inverse = finite && amax >= kLeast ? 127 / amax : 0;
  for (std::int64_t d = 0; d < W; ++d) {
    q[d * step] = static_cast<std::int8_t>(finite ? std::lrint(x[d] * inverse) : 0);
  }
  return finite ? amax / 127 : std::numeric_limits<float>::quiet_NaN();
}

// Places are seldom full, and a huge page is memory as soon as one token is in it.
Block small_pages(Block block) {
  if (block.bytes() > 0) {
    madvise(block.data(), static_cast<std::size_t>(block.bytes()), MADV_NOHUGEPAGE);  // a wish
  }
  return block;
}

Block checked_block(const KvCacheShape& shape, std::int64_t budget) {
  if (shape.bytes() > budget) {
    throw Error(ErrorCode::kLimit, "key/value cache: " + std::to_string(shape.sequences) +
                                       " sequences of " + std::to_string(shape.positions) +
                                       " tokens take " + std::to_string(shape.bytes()) +
                                       " bytes, the budget is " + std::to_string(budget));
  }
  return small_pages(Block(shape.bytes()));
}

}  // namespace

std::int64_t KvCacheShape::bytes() const {
  return product(product(sequences, product(layers, 2 * heads)), head_bytes(*this));
}

KvCache::KvCache(const KvCacheShape& shape, std::int64_t budget)
    : shape_(shape),
      block_(checked_block(shape, budget)),
      lengths_(static_cast<std::size_t>(shape.sequences), 0) {}

std::int64_t KvCache::length(std::int64_t sequence) const {
  return lengths_[static_cast<std::size_t>(sequence)];
}

void KvCache::truncate(std::int64_t sequence, std::int64_t length) {
  LINNET_ASSERT(0 <= length && length <= this->length(sequence));
  lengths_[static_cast<std::size_t>(sequence)] = length;
}

void KvCache::copy(std::int64_t to, std::int64_t from) {
  if (to == from) return;
  const std::int64_t positions = rounded(length(from));
  const std::int64_t bytes =
      positions * head_width() * (shape_.type == CacheType::kInt8 ? 1 : kFloat);
  for (std::int64_t l = 0; l < shape_.layers; ++l) {
    for (const Which which : {kKey, kValue}) {
      for (std::int64_t h = 0; h < shape_.heads; ++h) {
        const Head source = head(from, l, which, h), target = head(to, l, which, h);
        std::copy_n(source.data, bytes, target.data);
        if (source.scale != nullptr) std::copy_n(source.scale, positions, target.scale);
      }
    }
  }
  lengths_[static_cast<std::size_t>(to)] = length(from);
}

void KvCache::copy_keys(std::int64_t sequence, std::int64_t layer, Mat<float> to) const {
  copy_rows(sequence, layer, kKey, to);
}

void KvCache::copy_values(std::int64_t sequence, std::int64_t layer, Mat<float> to) const {
  copy_rows(sequence, layer, kValue, to);
}

void KvCache::copy_rows(std::int64_t sequence, std::int64_t layer, Which which,
                        Mat<float> to) const {
  const std::int64_t W = head_width();
  for (std::int64_t h = 0; h < shape_.heads; ++h) {
    const Head from = head(sequence, layer, which, h);
    for (std::int64_t t = 0; t < length(sequence); ++t) {
      for (std::int64_t d = 0; d < W; ++d) {
        const std::int64_t at = which == kKey ? in_panels(t, d, W) : t * W + d;
        to.row(t)[h * W + d] =
            from.scale == nullptr
                ? reinterpret_cast<const float*>(from.data)[at]
                : static_cast<float>(static_cast<std::int8_t>(from.data[at])) * from.scale[t];
      }
    }
  }
}

void KvCache::put(const Head& to, Which which, std::int64_t position, const float* row) {
  const std::int64_t W = head_width();
  const std::int64_t first = which == kKey ? in_panels(position, 0, W) : position * W;
  const std::int64_t step = which == kKey ? kernels::kKeyPanel : 1;
  if (to.scale != nullptr) {
    to.scale[position] = quantize(reinterpret_cast<std::int8_t*>(to.data) + first, step, row, W);
    return;
  }
  float* floats = reinterpret_cast<float*>(to.data) + first;
  for (std::int64_t d = 0; d < W; ++d) floats[d * step] = row[d];
}

void KvCache::append(std::int64_t sequence, std::int64_t layer, Mat<const float> qkv,
                     std::int64_t first, std::int64_t last) {
  const std::int64_t A = shape_.A, W = head_width(), past = length(sequence);
  LINNET_ASSERT(qkv.cols == 3 * A && past + qkv.rows <= shape_.positions);
  LINNET_ASSERT(0 <= first && last <= shape_.heads);
  for (std::int64_t h = first; h < last; ++h) {
    const Head key = head(sequence, layer, kKey, h), value = head(sequence, layer, kValue, h);
    for (std::int64_t t = 0; t < qkv.rows; ++t) {
      const float* from = qkv.row(t) + A + h * W;
      put(key, kKey, past + t, from);
      put(value, kValue, past + t, from + A);
    }
  }
}

void KvCache::advance(std::int64_t sequence, std::int64_t n) {
  LINNET_ASSERT(length(sequence) + n <= shape_.positions);
  lengths_[static_cast<std::size_t>(sequence)] += n;
}

KeyValues KvCache::view(std::int64_t sequence, std::int64_t layer) const {
  const Head key = head(sequence, layer, kKey, 0), value = head(sequence, layer, kValue, 0);
  return {key.data, value.data, key.scale, value.scale, head_bytes(shape_), length(sequence)};
}

KvCache::Head KvCache::head(std::int64_t sequence, std::int64_t layer, Which which,
                            std::int64_t head) const {
  LINNET_ASSERT(0 <= sequence && sequence < shape_.sequences);
  const std::int64_t index = ((sequence * shape_.layers + layer) * 2 + which) * shape_.heads + head;
  Head found{block_.data() + index * head_bytes(shape_), nullptr};
  if (shape_.type == CacheType::kInt8) {
    found.scale = reinterpret_cast<float*>(found.data + rounded(shape_.positions) * head_width());
  }
  return found;
}

}  // namespace linnet
