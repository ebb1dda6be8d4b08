#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/core/assert.h"

namespace linnet {

/// A view of a row-major matrix. It never owns; `ld` is the distance of two rows in elements.
template <class T>
struct Mat {
  T* data = nullptr;
  std::int64_t rows = 0, cols = 0, ld = 0;

  T* row(std::int64_t r) const {
    LINNET_ASSERT(0 <= r && r < rows);
    return data + r * ld;
  }
  /// Rows [begin, end).
  Mat slice_rows(std::int64_t begin, std::int64_t end) const {
    LINNET_ASSERT(0 <= begin && begin <= end && end <= rows);
    return {data + begin * ld, end - begin, cols, ld};
  }
  /// Columns [begin, end).
  Mat slice_cols(std::int64_t begin, std::int64_t end) const {
    LINNET_ASSERT(0 <= begin && begin <= end && end <= cols);
    return {data + begin, rows, end - begin, ld};
  }
  operator Mat<const T>() const  // NOLINT(google-explicit-constructor): as T* becomes const T*
      requires(!std::is_const_v<T>) {
    return {data, rows, cols, ld};
  }
};

}  // namespace linnet
