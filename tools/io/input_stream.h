#pragma once

#include <memory>
#include <string>

#include "engine/tasks/line_reader.h"
#include "tools/io/descriptor.h"

namespace linnet::io {

/// Bytes that come out of compressed data at most; more is an error, so that a small file cannot
/// keep a program busy for ever.
inline constexpr std::int64_t kMaxDecompressedBytes = std::int64_t{1} << 36;

/// A file or standard input ("-"), decompressed on the way when it begins like gzip or zstd.
/// Several compressed parts one after the other are read as one.
class InputStream {
 public:
  /// Throws Error(kIo) when the file cannot be opened.
  explicit InputStream(const std::string& path);
  ~InputStream();

  /// Up to `bytes` bytes, 0 only at the end. Throws kIo, kFormat for damaged compressed data,
  /// kLimit beyond kMaxDecompressedBytes.
  std::size_t read(char* to, std::size_t bytes);
  const std::string& name() const { return name_; }
  /// The share of the file that is read, negative where its size is not known.
  double fraction() const;

  /// Part of a stream's code that decompresses.
  class Decoder;

 private:
  std::size_t read_raw(char* to, std::size_t bytes);
  void begin();

  Descriptor file_;
  std::string name_;
  std::string raw_;  // [begin_, end_) is read and not used yet
  std::size_t begin_ = 0, end_ = 0;
  bool started_ = false;
  std::int64_t size_ = 0;  // of the file as it lies there; 0: not known
  std::int64_t given_ = 0;
  std::unique_ptr<Decoder> decoder_;  // null: the bytes as they are
};

}  // namespace linnet::io
