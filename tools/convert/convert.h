#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/models/encoder_model.h"
#include "weights/checkpoint.h"
#include "weights/manifest.h"
#include "weights/output.h"

// From a Hugging Face directory to one with normal names, an account of every tensor, and back.
namespace linnet::tools {

enum class Verify { kNo, kYes };

struct ConvertOptions {
  std::string model, output;
  weights::OpenOptions open;
  std::optional<weights::DType> dtype;  // F32, F16 or BF16; without one every tensor keeps its type
  std::optional<HeadKind> head;         // to check for; without one what config.json says
  weights::Unexpected unexpected = weights::Unexpected::kWarn;
  NonFinite non_finite = NonFinite::kRefuse;
  weights::Existing existing = weights::Existing::kRefuse;
  Verify verify = Verify::kNo;
  std::vector<std::string> copy_files;  // beside those that are known
};

struct Conversion {
  weights::Manifest manifest;
  std::vector<std::string> not_copied;  // names in the source directory that stay behind
  std::vector<std::string> warnings;
  std::int64_t bytes_read = 0, bytes_written = 0;  // of tensors
  Verify verified = Verify::kNo;
};

/// Writes the directory: complete, or absent when anything goes wrong. Throws what loading throws;
/// kNumeric for a weight that is not finite or does not fit the type asked for; kInvalidArgument
/// for an output that exists, for a source that was converted before, and for an output that would
/// replace what is no model directory or the source itself.
Conversion convert(const ConvertOptions& options);

/// For people and for programs (schema linnet.convert.1).
std::string conversion_text(const Conversion& conversion);
std::string conversion_json(const Conversion& conversion);

struct ExportOptions {
  std::string model, output;
  weights::OpenOptions open;
  weights::Existing existing = weights::Existing::kRefuse;
  std::int64_t max_shard_bytes = 0;  // 0: one file
};

struct Exported {
  std::vector<weights::ManifestFile> files;
  std::int64_t tensors = 0, bytes = 0, rounded = 0;  // rounded: tensors that are not as they were
};

/// Writes the directory that a conversion was made from: original names and types, dropped tensors
/// there again. Throws kInvalidArgument for a directory without linnet.json, kFormat when a file is
/// not what linnet.json says.
Exported export_model(const ExportOptions& options);

}  // namespace linnet::tools
