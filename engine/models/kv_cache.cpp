// Dimension key: A = heads · head width.
#include "engine/models/kv_cache.h"

#include <algorithm>
#include <limits>
#include <string>

#include "engine/core/assert.h"
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
  return product(product(product(product(sequences, layers), positions), A), 2 * kFloat);
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
  const std::int64_t n = length(from) * shape_.A;
  for (std::int64_t l = 0; l < shape_.layers; ++l) {
    for (const std::int64_t which : {0, 1}) {
      std::copy_n(place(from, l, which), n, place(to, l, which));
    }
  }
  lengths_[static_cast<std::size_t>(to)] = length(from);
}

Mat<const float> KvCache::keys(std::int64_t sequence, std::int64_t layer) const {
  return {place(sequence, layer, 0), length(sequence), shape_.A, shape_.A};
}

Mat<const float> KvCache::values(std::int64_t sequence, std::int64_t layer) const {
  return {place(sequence, layer, 1), length(sequence), shape_.A, shape_.A};
}

void KvCache::append(std::int64_t sequence, std::int64_t layer, Mat<const float> qkv) {
  const std::int64_t A = shape_.A, past = length(sequence);
  LINNET_ASSERT(qkv.cols == 3 * A && past + qkv.rows <= shape_.positions);
  for (const std::int64_t which : {0, 1}) {
    float* to = place(sequence, layer, which) + past * A;
    for (std::int64_t t = 0; t < qkv.rows; ++t) {
      std::copy_n(qkv.row(t) + (1 + which) * A, A, to + t * A);
    }
  }
}

void KvCache::advance(std::int64_t sequence, std::int64_t n) {
  LINNET_ASSERT(length(sequence) + n <= shape_.positions);
  lengths_[static_cast<std::size_t>(sequence)] += n;
}

KeyValues KvCache::view(std::int64_t sequence, std::int64_t layer) const {
  return {place(sequence, layer, 0), place(sequence, layer, 1), shape_.A, length(sequence)};
}

float* KvCache::place(std::int64_t sequence, std::int64_t layer, std::int64_t which) const {
  LINNET_ASSERT(0 <= sequence && sequence < shape_.sequences);
  const std::int64_t index = (sequence * shape_.layers + layer) * 2 + which;
  return reinterpret_cast<float*>(block_.data()) + index * shape_.positions * shape_.A;
}

}  // namespace linnet
