// Dimension key: A = heads · head width.
#include "engine/models/kv_cache.h"

#include <algorithm>
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

Block checked_block(const KvCacheShape& shape, std::int64_t budget) {
  if (shape.bytes() > budget) {
    throw Error(ErrorCode::kLimit, "key/value cache: " + std::to_string(shape.sequences) +
                                       " sequences of " + std::to_string(shape.positions) +
                                       " tokens take " + std::to_string(shape.bytes()) +
                                       " bytes, the budget is " + std::to_string(budget));
  }
  return Block(shape.bytes());
}

}  // namespace

std::int64_t KvCacheShape::bytes() const {
  return product(product(product(product(sequences, layers), rounded(positions)), A), 2 * kFloat);
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
  const std::int64_t n = rounded(length(from)) * head_width();
  for (std::int64_t l = 0; l < shape_.layers; ++l) {
    for (const Which which : {kKey, kValue}) {
      for (std::int64_t h = 0; h < shape_.heads; ++h) {
        std::copy_n(place(from, l, which, h), n, place(to, l, which, h));
      }
    }
  }
  lengths_[static_cast<std::size_t>(to)] = length(from);
}

void KvCache::copy_keys(std::int64_t sequence, std::int64_t layer, Mat<float> to) const {
  const std::int64_t W = head_width();
  for (std::int64_t h = 0; h < shape_.heads; ++h) {
    const float* from = place(sequence, layer, kKey, h);
    for (std::int64_t t = 0; t < length(sequence); ++t) {
      for (std::int64_t d = 0; d < W; ++d) to.row(t)[h * W + d] = from[in_panels(t, d, W)];
    }
  }
}

void KvCache::copy_values(std::int64_t sequence, std::int64_t layer, Mat<float> to) const {
  const std::int64_t W = head_width();
  for (std::int64_t h = 0; h < shape_.heads; ++h) {
    const float* from = place(sequence, layer, kValue, h);
    for (std::int64_t t = 0; t < length(sequence); ++t) {
      std::copy_n(from + t * W, W, to.row(t) + h * W);
    }
  }
}

void KvCache::append(std::int64_t sequence, std::int64_t layer, Mat<const float> qkv) {
  const std::int64_t A = shape_.A, W = head_width(), past = length(sequence);
  LINNET_ASSERT(qkv.cols == 3 * A && past + qkv.rows <= shape_.positions);
  for (std::int64_t h = 0; h < shape_.heads; ++h) {
    float* key = place(sequence, layer, kKey, h);
    float* value = place(sequence, layer, kValue, h) + past * W;
    for (std::int64_t t = 0; t < qkv.rows; ++t) {
      const float* from = qkv.row(t) + A + h * W;
      float* panel = key + in_panels(past + t, 0, W);
      for (std::int64_t d = 0; d < W; ++d) panel[d * kernels::kKeyPanel] = from[d];
      std::copy_n(from + A, W, value + t * W);
    }
  }
}

void KvCache::advance(std::int64_t sequence, std::int64_t n) {
  LINNET_ASSERT(length(sequence) + n <= shape_.positions);
  lengths_[static_cast<std::size_t>(sequence)] += n;
}

KeyValues KvCache::view(std::int64_t sequence, std::int64_t layer) const {
  return {place(sequence, layer, kKey, 0), place(sequence, layer, kValue, 0),
          rounded(shape_.positions) * head_width(), length(sequence)};
}

float* KvCache::place(std::int64_t sequence, std::int64_t layer, Which which,
                      std::int64_t head) const {
  LINNET_ASSERT(0 <= sequence && sequence < shape_.sequences);
  const std::int64_t index = ((sequence * shape_.layers + layer) * 2 + which) * shape_.heads + head;
  return reinterpret_cast<float*>(block_.data()) + index * rounded(shape_.positions) * head_width();
}

}  // namespace linnet
