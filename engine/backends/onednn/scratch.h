#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace linnet::onednn {

/// The calling thread's memory for one product: grows to the largest, freed when the thread ends.
/// One at a time.
class Scratch {
 public:
  /// Room for pieces of so many bytes in all.
  explicit Scratch(std::size_t bytes) {
    const std::size_t needed = bytes + kMostPieces * kAlign;
    if (needed > memory().bytes) {
      memory() = {};
      memory() = {std::unique_ptr<std::byte[], Free>(
                      static_cast<std::byte*>(::operator new[](needed, std::align_val_t{kAlign}))),
                  needed};
    }
  }
  /// The next piece, on a 64-byte border.
  void* take(std::size_t bytes) {
    std::byte* const piece = memory().data.get() + used_;
    used_ += (bytes + kAlign - 1) / kAlign * kAlign;
    return piece;
  }

 private:
  static constexpr std::size_t kAlign = 64, kMostPieces = 5;
  struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{kAlign}); }
  };
  struct Memory {
    std::unique_ptr<std::byte[], Free> data;
    std::size_t bytes = 0;
  };
  static Memory& memory() {
    thread_local Memory memory;
    return memory;
  }
  std::size_t used_ = 0;
};

}  // namespace linnet::onednn
