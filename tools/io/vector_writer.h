#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tools/io/output.h"
#include "tools/io/spool.h"
#include "weights/safetensors.h"

namespace linnet::io {

/// kJson: one object with all rows. kJsonl: an object a row. kNpy: [rows, dimensions],
/// little-endian, C order. kSafetensors: the tensor "embeddings" of the same shape.
enum class VectorFormat { kJson, kJsonl, kNpy, kSafetensors };

/// By the end of a file's name (.json, .jsonl, .npy, .safetensors), if it is one of these.
std::optional<VectorFormat> vector_format_of(std::string_view path);

/// The type of the values of all rows.
enum class VectorType { kFloat32, kInt8 };

struct VectorOptions {
  VectorFormat format = VectorFormat::kJsonl;
  VectorType type = VectorType::kFloat32;
  std::int64_t dimensions = 0;  // values of a row
  std::string spool_folder;     // for the formats that begin with the number of rows
  std::string schema;           // of kJson, and in the metadata of kSafetensors
  weights::Metadata metadata;   // of kSafetensors
};

/// Writes rows of one width in the order they are given, in constant memory.
class VectorWriter {
 public:
  VectorWriter(VectorOptions options, Sink sink);

  /// A row of the writer's type.
  void add(std::span<const float> row);
  void add(std::span<const std::int8_t> row);
  /// A row that has no vector: "error" in JSONL, null in JSON, where the errors follow the rows,
  /// and in the binary formats NaN, or zeros if the type is an integer's.
  void add_failed(std::string_view error);
  /// Writes what comes last. Without it the output is not complete.
  void finish();

  std::int64_t rows() const { return rows_; }

 private:
  template <class T>
  void add_row(std::span<const T> row);
  template <class T>
  void write_json_row(std::span<const T> row);

  VectorOptions options_;
  Sink sink_;
  std::int64_t rows_ = 0;
  std::unique_ptr<Spool> spool_;
  std::string errors_;  // of kJson: elements of an array
};

/// The magic, version and dictionary of a .npy file (format 1.0): its size is a multiple of 64.
/// Source: numpy.lib.format, "Format Version 1.0". `descr` is numpy's name of the type, e.g. "<f4".
std::string npy_header(std::string_view descr, std::int64_t rows, std::int64_t columns);

}  // namespace linnet::io
