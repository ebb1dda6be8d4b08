#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "engine/core/mat.h"
#include "engine/core/memory.h"
#include "weights/base/error.h"

namespace linnet {

/// Hands out the matrices of a set, one after the other, each on a 64-byte border. An empty Layout
/// only counts; a Layout with memory places. The same constructor of the set runs against both, so
/// sizes and pointers cannot disagree.
class Layout {
 public:
  Layout() = default;
  explicit Layout(std::byte* base) : base_(base) {}

  /// A [rows, cols] matrix with ld == cols. Throws if the size overflows.
  template <class T = float>
  Mat<T> mat(std::int64_t rows, std::int64_t cols) {
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max() / 2;
    constexpr std::int64_t kSize = sizeof(T);
    if (rows < 0 || cols < 0 || (cols > 0 && rows > kMax / kSize / cols) ||
        rows * cols * kSize > kMax - used_) {
      throw Error(ErrorCode::kInvalidArgument, "layout: matrix too large");
    }
    T* data = base_ != nullptr ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += (rows * cols * kSize + 63) / 64 * 64;
    peak_ = std::max(peak_, used_);
    return {data, rows, cols, cols};
  }

  /// Where the next matrix will lie, and the way back there: matrices that never live at the same
  /// time share their bytes.
  std::int64_t mark() const { return used_; }
  void rewind(std::int64_t mark) { used_ = mark; }

  /// Bytes of the whole set.
  std::int64_t bytes() const { return peak_; }

 private:
  std::byte* base_ = nullptr;
  std::int64_t used_ = 0, peak_ = 0;
};

/// Owner of one block and of the set S that points into it. S's constructor takes (Layout&, args…).
template <class S>
class Placed {
 public:
  template <class... Args>
  explicit Placed(const Args&... args)
      : block_(count<Args...>(args...)), layout_(block_.data()), set_(layout_, args...) {}

  S* operator->() { return &set_; }
  const S* operator->() const { return &set_; }
  S& operator*() { return set_; }
  const S& operator*() const { return set_; }
  std::int64_t bytes() const { return block_.bytes(); }

  /// Bytes that Placed<S>(args…) will own.
  template <class... Args>
  static std::int64_t count(const Args&... args) {
    Layout layout;
    S{layout, args...};
    return layout.bytes();
  }

 private:
  Block block_;
  Layout layout_;
  S set_;
};

}  // namespace linnet
