#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weights/directory.h"
#include "weights/dtype.h"
#include "weights/mapped_file.h"
#include "weights/output.h"

// safetensors, read with every rule of the format checked and nothing executed.
// Source: github.com/huggingface/safetensors, "Format".
namespace linnet::weights {

constexpr std::int64_t kMaxHeaderBytes = 100'000'000;
constexpr std::int64_t kMaxTensors = 1'000'000;
/// The key of a header that is no tensor.
constexpr char kMetadataKey[] = "__metadata__";

/// One tensor of a file. Views live as long as the file that gave them; the data may be unaligned.
struct TensorView {
  std::string_view name;
  DType dtype = DType::kF32;
  std::span<const std::int64_t> shape;
  std::span<const std::byte> bytes;

  std::int64_t elements() const;
};

/// Bytes of a tensor; nothing where they are no whole number below 2^63.
std::optional<std::int64_t> bytes_of(DType dtype, std::span<const std::int64_t> shape);

/// "[2, 3]"; the first 16 dimensions.
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

/// The safetensors file `name` of a directory, if there. A file that is to be read as a whole is
/// looked at first: nothing is allocated for one with a broken header.
std::optional<Safetensors> open_safetensors(const Directory& directory, std::string_view name,
                                            FileAccess access = FileAccess::kMap);

/// One entry of a file's header.
struct TensorHeader {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
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
/// given. Throws kInvalidArgument for what no file may hold, kLimit for a header of more than
/// 100 MB.
struct SafetensorsPlan {
  std::string header;              // length field included
  std::vector<std::size_t> order;  // indices into the tensors
};
SafetensorsPlan plan_safetensors(std::span<const TensorToWrite> tensors, const Metadata& metadata,
                                 std::int64_t alignment = 64);
SafetensorsPlan plan_headers(std::span<const TensorHeader> tensors, const Metadata& metadata,
                             std::int64_t alignment = 64);

/// Writes the file atomically (write_file of weights/output.h).
void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                       const Metadata& metadata = {}, std::int64_t alignment = 64);

/// The same for data that is made while it is written: content(i, file) writes tensor i.
using TensorContent = std::function<void(std::size_t, OutputFile&)>;
void write_safetensors(const std::string& path, std::span<const TensorHeader> tensors,
                       const Metadata& metadata, const TensorContent& content,
                       std::int64_t alignment = 64);

}  // namespace linnet::weights
