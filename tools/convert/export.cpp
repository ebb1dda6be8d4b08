#include <algorithm>
#include <cstdio>
#include <tuple>

#include "tools/convert/convert.h"
#include "tools/convert/files.h"
#include "tools/convert/plan.h"
#include "tools/convert/quantized_source.h"
#include "tools/convert/tensors.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet::tools {
namespace {

using weights::Checkpoint;
using weights::Kept;
using weights::Manifest;
using weights::ManifestFile;
using weights::ManifestTensor;
using weights::TensorView;

// Masks of every layer of the largest model we know are a fifth of that.
constexpr std::int64_t kMostConstantBytes = std::int64_t{1} << 30;

Manifest checked_manifest(const Checkpoint& checkpoint) {
  const weights::Directory& directory = checkpoint.directory();
  auto manifest = weights::read_manifest(directory);
  if (!manifest) {
    throw Error(ErrorCode::kInvalidArgument,
                directory.name() + ": has no linnet.json: nothing was converted here");
  }
  for (const ManifestFile& file : manifest->files) {
    const ManifestFile found = describe_file(directory, file.name);
    if (found.bytes == file.bytes && found.hash == file.hash) continue;
    throw Error(ErrorCode::kFormat, directory.name_of(file.name) +
                                        ": is not the file that linnet.json describes: found " +
                                        std::to_string(found.bytes) + " bytes with hash " +
                                        text(found.hash) + ", expected " +
                                        std::to_string(file.bytes) + " with " + text(file.hash));
  }
  return std::move(*manifest);
}

// The tensor of the checkpoint that linnet.json describes.
const TensorView& stored_tensor(const Checkpoint& checkpoint, const std::string& name,
                                const ManifestTensor& tensor) {
  const TensorView* view = checkpoint.find(name);
  const bool fits =
      view != nullptr && view->dtype == tensor.stored &&
      std::equal(view->shape.begin(), view->shape.end(), tensor.shape.begin(), tensor.shape.end());
  const bool restorable = tensor.dtype == tensor.stored ||
                          (weights::is_float(tensor.dtype) && weights::is_float(tensor.stored));
  if (!fits || !restorable) {
    throw Error(ErrorCode::kFormat, checkpoint.directory().name() + ": tensor " + quote(name) +
                                        " is not what linnet.json describes");
  }
  return *view;
}

// A tensor of the original; a constant has no view, and rows of a layer in INT8 have their layer.
struct Original {
  weights::TensorHeader header;
  const TensorView* from = nullptr;
  std::int64_t bytes = 0;
  const QuantizedSource* layer = nullptr;
  std::int64_t first_row = 0;
};

std::vector<Original> originals(const Checkpoint& checkpoint, const Manifest& manifest,
                                const QuantizedSources& layers) {
  std::vector<Original> list;
  std::size_t stored = 0;
  for (const auto& [name, layer] : layers) stored += layer.tensors();
  std::int64_t constants = 0;
  for (const auto& [name, tensor] : manifest.tensors) {
    Original one{{tensor.original, tensor.dtype, tensor.shape}, nullptr, 0};
    one.bytes = *weights::bytes_of(tensor.dtype, tensor.shape);
    if (tensor.kept == Kept::kStored) {
      one.from = &stored_tensor(checkpoint, name, tensor);
      ++stored;
    } else if (tensor.kept == Kept::kQuantized) {
      std::tie(one.layer, one.first_row) = rows_of(layers, manifest, name);
    } else if (tensor.kept == Kept::kTied) {
      const ManifestTensor& other = manifest.tensors.at(tensor.tied_to);
      if (other.kept == Kept::kQuantized) {
        std::tie(one.layer, one.first_row) = rows_of(layers, manifest, tensor.tied_to);
      } else {
        one.from = &stored_tensor(checkpoint, tensor.tied_to, other);
      }
    } else if (!weights::constant_of(tensor.original, tensor.dtype, tensor.shape)) {
      throw Error(ErrorCode::kFormat, checkpoint.directory().name() + ": tensor " +
                                          quote(tensor.original) +
                                          " is no constant, as linnet.json says");
    } else if (constants += one.bytes; constants > kMostConstantBytes) {
      throw Error(ErrorCode::kLimit, checkpoint.directory().name() +
                                         ": the constants of linnet.json have more than " +
                                         std::to_string(kMostConstantBytes) + " bytes");
    }
    list.push_back(std::move(one));
  }
  if (stored != checkpoint.tensors().size()) {
    throw Error(ErrorCode::kFormat,
                checkpoint.directory().name() + ": has tensors that linnet.json does not describe");
  }
  std::sort(list.begin(), list.end(),
            [](const Original& a, const Original& b) { return a.header.name < b.header.name; });
  return list;
}

// In the order of names, a new shard where the next tensor would make this one too large.
std::vector<std::span<const Original>> shards_of(std::span<const Original> tensors,
                                                 std::int64_t max_bytes) {
  std::vector<std::span<const Original>> shards;
  std::size_t begin = 0;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (max_bytes > 0 && i > begin && tensors[i].bytes > max_bytes - bytes) {
      shards.push_back(tensors.subspan(begin, i - begin));
      begin = i;
      bytes = 0;
    }
    bytes += tensors[i].bytes;
  }
  shards.push_back(tensors.subspan(begin));
  return shards;
}

void write_shard(std::span<const Original> tensors, const std::string& path) {
  std::vector<weights::TensorHeader> headers;
  for (const Original& one : tensors) headers.push_back(one.header);
  weights::write_safetensors(
      path, headers, {{"format", "pt"}}, [&](std::size_t i, weights::OutputFile& out) {
        const Original& one = tensors[i];
        if (one.layer != nullptr) {
          write_rows(*one.layer, one.first_row, one.header, out);
          return;
        }
        if (one.from == nullptr) {
          out.write(*weights::constant_of(one.header.name, one.header.dtype, one.header.shape));
          return;
        }
        transfer({one.header, *one.from}, NonFinite::kAllow,
                 [&](std::span<const std::byte> bytes) { out.write(bytes.data(), bytes.size()); });
      });
}

std::string shard_name(std::size_t i, std::size_t n) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1, n);
  return name;
}

void write_index(const std::vector<std::span<const Original>>& shards, std::int64_t total,
                 const std::string& path) {
  json::Writer out(2);
  out.begin_object().key("metadata").begin_object().key("total_size").integer(total).end_object();
  out.key("weight_map").begin_object();
  for (std::size_t i = 0; i < shards.size(); ++i) {
    for (const Original& one : shards[i]) {
      out.key(one.header.name).string(shard_name(i, shards.size()));
    }
  }
  out.end_object().end_object();
  weights::write_file(path, [&](weights::OutputFile& file) { file.write(out.text() + "\n"); });
}

}  // namespace

Exported export_model(const ExportOptions& options) {
  const Checkpoint checkpoint(options.model, options.open);
  const weights::Directory& source = checkpoint.directory();
  check_replaceable(source, options.output, options.existing);
  const Manifest manifest = checked_manifest(checkpoint);
  const QuantizedSources layers = quantized_sources(checkpoint, manifest);
  const std::vector<Original> tensors = originals(checkpoint, manifest, layers);
  const auto shards = shards_of(tensors, options.max_shard_bytes);

  Exported result;
  for (const auto& [name, tensor] : manifest.tensors) {
    result.rounded += tensor.rounded > 0 || tensor.kept == Kept::kQuantized;
  }
  for (const Original& one : tensors) result.bytes += one.bytes;
  result.tensors = static_cast<std::int64_t>(tensors.size());
  weights::OutputDirectory output(options.output, options.existing);
  const std::string& directory = output.temporary_path();
  std::vector<std::string> written;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    written.push_back(shards.size() == 1 ? kWeightsFile : shard_name(i, shards.size()));
    write_shard(shards[i], directory + "/" + written.back());
  }
  if (shards.size() > 1) {
    written.emplace_back(kIndexFile);
    write_index(shards, result.bytes, directory + "/" + kIndexFile);
  }
  for (const ManifestFile& file : manifest.files) {
    if (file.name == kWeightsFile) continue;
    result.files.push_back(copy_file(source, file.name, directory));
  }
  const weights::Directory made(directory);
  for (const std::string& name : written) result.files.push_back(describe_file(made, name));
  output.commit();
  return result;
}

}  // namespace linnet::tools
