#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weights/dtype.h"
#include "weights/mapped_file.h"

// safetensors, read with every rule of the format checked and nothing executed.
// Source: github.com/huggingface/safetensors, "Format".
namespace linnet::weights {

constexpr std::int64_t kMaxHeaderBytes = 100'000'000;
constexpr std::int64_t kMaxTensors = 1'000'000;

/// One tensor of a file. Views live as long as the file that gave them; the data may be unaligned.
struct TensorView {
  std::string_view name;
  DType dtype = DType::kF32;
  std::span<const std::int64_t> shape;
  std::span<const std::byte> bytes;

  std::int64_t elements() const;
};

/// "[2, 3]"
std::string shape_text(std::span<const std::int64_t> shape);

using Metadata = std::map<std::string, std::string, std::less<>>;

/// A safetensors file in memory.
class Safetensors {
 public:
  /// Throws kFormat naming the tensor and rule that is broken, or kLimit.
  explicit Safetensors(MappedFile file);
  Safetensors(Safetensors&&) noexcept = default;
  Safetensors& operator=(Safetensors&&) noexcept = default;

  /// Sorted by name.
  std::span<const TensorView> tensors() const { return tensors_; }
  const TensorView* find(std::string_view name) const;
  const Metadata& metadata() const { return metadata_; }
  const MappedFile& file() const { return file_; }

 private:
  MappedFile file_;
  std::unique_ptr<std::string> names_;                 // all names, one after the other
  std::unique_ptr<std::vector<std::int64_t>> shapes_;  // all dimensions
  std::vector<TensorView> tensors_;
  Metadata metadata_;
};

/// What is written: data is read during the call.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Header and order of a file with these tensors: first those whose size is a multiple of 64, then
/// the rest, each by element size descending, then by name; the header is padded so that data
/// begins at a multiple of `alignment`. Same tensors and metadata, same bytes, whatever the order
/// given.
struct SafetensorsPlan {
  std::string header;              // length field included
  std::vector<std::size_t> order;  // indices into the tensors
};
SafetensorsPlan plan_safetensors(std::span<const TensorToWrite> tensors, const Metadata& metadata,
                                 std::int64_t alignment = 64);

/// Writes the file atomically (write_file of weights/output.h).
void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                       const Metadata& metadata = {}, std::int64_t alignment = 64);

}  // namespace linnet::weights
