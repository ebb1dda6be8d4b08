#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weights/base/json.h"
#include "weights/directory.h"
#include "weights/safetensors.h"

namespace linnet::weights {

/// Where the tensors of a model directory are: in one file, or in the shards that the index names.
inline constexpr char kWeightsFile[] = "model.safetensors";
inline constexpr char kIndexFile[] = "model.safetensors.index.json";

struct OpenOptions {
  Symlinks symlinks = Symlinks::kInside;
  FileAccess access = FileAccess::kMap;
};

/// A Hugging Face model directory: config.json and the headers of its weights, read and checked.
/// The weights themselves stay in the files until they are used.
class Checkpoint {
 public:
  /// Throws kIo, kFormat or kLimit; kUnsupported for a directory whose only weights are in a format
  /// that executes code when it is read, with the command that converts it.
  explicit Checkpoint(const std::filesystem::path& path, const OpenOptions& options = {});

  json::Value config() const { return config_.root(); }
  const Directory& directory() const { return directory_; }

  /// Of all shards, sorted by name.
  std::span<const TensorView> tensors() const { return tensors_; }
  const TensorView* find(std::string_view name) const;
  /// The files that hold the tensors.
  std::span<const Safetensors> files() const { return files_; }
  /// The tensor's pages are not needed for now (see MappedFile::release).
  void release(const TensorView& tensor) const;

  /// What was odd but no error, a sentence each.
  std::span<const std::string> warnings() const { return warnings_; }

  /// A JSON file beside the weights, if there.
  std::optional<json::Document> read_json(std::string_view name, std::int64_t max_bytes) const;

 private:
  void open_shards(const json::Document& index, FileAccess access);
  void check_shard(const TensorView& tensor, std::string_view shard,
                   const std::map<std::string_view, std::string_view>& shard_of,
                   const std::map<std::string_view, std::size_t>& file_of) const;
  void check_total_size(json::Value index);

  Directory directory_;
  json::Document config_;
  std::vector<Safetensors> files_;
  std::vector<TensorView> tensors_;
  std::vector<std::string> warnings_;
};

/// A JSON file of a directory, if there.
std::optional<json::Document> read_json(const Directory& directory, std::string_view name,
                                        std::int64_t max_bytes);

}  // namespace linnet::weights
