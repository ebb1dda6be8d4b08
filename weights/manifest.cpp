#include "weights/manifest.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"
#include "weights/checkpoint.h"
#include "weights/number_formats.h"
#include "weights/safetensors.h"

namespace linnet::weights {
namespace {

constexpr std::array<const char*, 4> kFates{"used", "unused", "buffer", "unexpected"};
constexpr std::array<const char*, 4> kKept{"stored", "tied", "constant", "quantized"};

std::string format_of(DType dtype) {
  std::string text = name(dtype);
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

void write_files(json::Writer& out, const std::vector<ManifestFile>& files) {
  out.key("files").begin_array();
  for (const ManifestFile& file : files) {
    out.begin_object().key("name").string(file.name).key("bytes").integer(file.bytes);
    out.key("xxh3_128").string(text(file.hash)).end_object();
  }
  out.end_array();
}

void write_names(json::Writer& out, const Manifest& manifest) {
  out.key("names").begin_object();
  for (const auto& [name, tensor] : manifest.tensors) {
    out.key(name).begin_object().key("original").string(tensor.original);
    out.key("dtype").string(weights::name(tensor.dtype)).key("shape").begin_array();
    for (const std::int64_t d : tensor.shape) out.integer(d);
    out.end_array().key("transposed").boolean(false);
    out.key("fate").string(kFates[static_cast<std::size_t>(tensor.fate)]);
    out.key("kept").string(kKept[static_cast<std::size_t>(tensor.kept)]);
    if (tensor.kept == Kept::kTied) out.key("tied_to").string(tensor.tied_to);
    if (tensor.kept == Kept::kQuantized) out.key("layer").string(tensor.layer);
    out.end_object();
  }
  out.end_object();
}

// ---- reading ----

template <std::size_t N>
std::size_t index_of(json::Value value, const std::array<const char*, N>& words) {
  const auto at = std::find(words.begin(), words.end(), value.string());
  if (at == words.end()) value.fail("unknown word " + quote(value.string()));
  return static_cast<std::size_t>(at - words.begin());
}

// "x" or "folder/x": nothing that leads out of the directory.
bool is_file_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash == name.npos) return is_plain_name(name);
  return is_plain_name(name.substr(0, slash)) && is_plain_name(name.substr(slash + 1));
}

std::vector<ManifestFile> read_files(json::Value value) {
  std::vector<ManifestFile> files;
  for (const json::Value file : value.elements()) {
    const json::Value name = file.at("name");
    if (!is_file_name(name.string())) name.fail("is no plain file name");
    files.push_back({std::string(name.string()),
                     file.at("bytes").integer(0, std::numeric_limits<std::int64_t>::max()),
                     hash_of(file.at("xxh3_128"))});
  }
  std::vector<std::string_view> names;
  for (const ManifestFile& file : files) names.push_back(file.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    value.fail("lists " + quote(*twice) + " twice");
  }
  return files;
}

DType read_dtype(json::Value value) {
  const auto dtype = parse_dtype(value.string());
  if (!dtype) value.fail("unknown type " + quote(value.string()));
  return *dtype;
}

ManifestTensor read_tensor(json::Value value) {
  ManifestTensor tensor;
  tensor.original = value.at("original").string();
  tensor.dtype = read_dtype(value.at("dtype"));
  for (const json::Value d : value.at("shape").elements()) {
    tensor.shape.push_back(d.integer(0, std::numeric_limits<std::int64_t>::max()));
  }
  if (!bytes_of(tensor.dtype, tensor.shape)) value.at("shape").fail("is too large");
  if (value.at("transposed").boolean()) {
    value.at("transposed").fail("found true, expected false: this program transposes nothing");
  }
  tensor.fate = static_cast<Fate>(index_of(value.at("fate"), kFates));
  tensor.kept = static_cast<Kept>(index_of(value.at("kept"), kKept));
  if (tensor.kept == Kept::kTied) tensor.tied_to = value.at("tied_to").string();
  if (tensor.kept == Kept::kQuantized) {
    tensor.layer = value.at("layer").string();
    if (!is_float(tensor.dtype)) value.at("dtype").fail("is none that is quantised");
  }
  return tensor;
}

void read_format(json::Value value, ManifestTensor& tensor) {
  const json::Value format = value.at("format");
  std::string upper(format.string());
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  const auto dtype = parse_dtype(upper);
  if (!dtype || format_of(*dtype) != format.string()) {
    format.fail("unknown number format " + quote(format.string()));
  }
  tensor.stored = *dtype;
  tensor.rounded =
      value.at("rounded_elements").integer(0, std::numeric_limits<std::int64_t>::max());
}

void read_tensors(json::Value root, Manifest& manifest) {
  for (const json::Member m : root.at("names").members()) {
    manifest.tensors.emplace(m.key, read_tensor(m.value));
  }
  std::int64_t stored = 0;
  for (const json::Member m : root.at("tensors").members()) {
    const auto at = manifest.tensors.find(std::string(m.key));
    if (at == manifest.tensors.end() || at->second.kept != Kept::kStored) {
      m.value.fail("is no stored tensor of \"names\"");
    }
    read_format(m.value, at->second);
    ++stored;
  }
  std::vector<std::string_view> originals;
  std::set<std::string_view> ties;
  for (const auto& [name, tensor] : manifest.tensors) {
    originals.push_back(tensor.original);
    if (tensor.kept == Kept::kStored) --stored;
    if (tensor.kept != Kept::kTied) continue;
    const auto other = manifest.tensors.find(tensor.tied_to);
    const bool fits = other != manifest.tensors.end() && other->second.kept != Kept::kTied &&
                      other->second.kept != Kept::kConstant &&
                      other->second.shape == tensor.shape && other->second.dtype == tensor.dtype;
    // Twice would make a small file the recipe for a very large one.
    if (!ties.insert(tensor.tied_to).second) root.fail("two tensors are tied to one");
    if (!fits) root.fail("tensor " + quote(name) + " is tied to none of its kind");
  }
  if (stored != 0) root.fail("\"tensors\" does not list all stored tensors of \"names\"");
  std::sort(originals.begin(), originals.end());
  const auto twice = std::adjacent_find(originals.begin(), originals.end());
  if (twice != originals.end()) root.fail("two tensors come from " + quote(*twice));
}

// Every weight that is quantised is part of the layer that it names, once and with its shape; every
// layer has all its weights.
void check_layers(json::Value root, const Manifest& manifest) {
  if (manifest.layers.empty() == manifest.quantization.has_value()) {
    root.fail("\"layers\" and a step \"quantize\" belong together");
  }
  std::size_t quantized = 0;
  std::set<std::string_view> parts;
  for (const auto& [name, tensor] : manifest.tensors) quantized += tensor.kept == Kept::kQuantized;
  for (const auto& [name, layer] : manifest.layers) {
    std::int64_t rows = 0;
    const std::size_t of_rows = layer.transposed ? 1 : 0, of_columns = 1 - of_rows;
    for (const std::string& part : layer.of) {
      const auto at = manifest.tensors.find(part);
      const bool fits = at != manifest.tensors.end() && at->second.kept == Kept::kQuantized &&
                        at->second.layer == name && at->second.shape.size() == 2 &&
                        at->second.shape[of_columns] == layer.K &&
                        at->second.shape[of_rows] <= layer.N - rows && parts.insert(part).second;
      if (!fits) root.fail("layer " + quote(name) + " is not made of " + quote(part));
      rows += at->second.shape[of_rows];
    }
    if (rows != layer.N) {
      root.fail("layer " + quote(name) + " has " + std::to_string(layer.N) + " rows, its weights " +
                std::to_string(rows));
    }
  }
  if (parts.size() != quantized) root.fail("a quantised weight is in no layer");
}

void check_version(json::Value root) {
  const json::Value version = root.at("format_version");
  if (version.integer() == kManifestVersion) return;
  if (version.integer() < kManifestVersion) version.fail("there is no such format");
  try {
    version.fail("found " + std::to_string(version.integer()) + ", expected at most " +
                 std::to_string(kManifestVersion) +
                 ": the directory was written by a newer linnet; it can be read by that");
  } catch (const Error& e) {
    throw Error(ErrorCode::kUnsupported, e.what());
  }
}

}  // namespace

std::string manifest_text(const Manifest& manifest) {
  json::Writer out(2);
  out.begin_object().key("format_version").integer(kManifestVersion);
  out.key("source").begin_object().key("name").string(manifest.source_name);
  if (!manifest.source_revision.empty()) {
    out.key("revision").string(manifest.source_revision);
  }
  write_files(out, manifest.source);
  out.end_object();
  out.key("model").begin_object().key("type").string(manifest.model_type);
  out.key("head").string(manifest.head).end_object();
  out.key("steps").begin_array().begin_object().key("step").string("convert").key("dtype");
  manifest.dtype.empty() ? out.null() : out.string(manifest.dtype);
  out.end_object();
  if (manifest.quantization) write_quantization(out, *manifest.quantization);
  out.end_array().key("quality");
  write_quality(out, manifest.quality);
  write_files(out, manifest.files);
  if (!manifest.layers.empty()) {
    out.key("layers");
    write_layers(out, manifest.layers);
  }
  out.key("tensors").begin_object();
  for (const auto& [name, tensor] : manifest.tensors) {
    if (tensor.kept != Kept::kStored) continue;
    out.key(name).begin_object().key("format").string(format_of(tensor.stored));
    out.key("rounded_elements").integer(tensor.rounded).end_object();
  }
  out.end_object();
  write_names(out, manifest);
  out.end_object();
  if (static_cast<std::int64_t>(out.text().size()) >= json::kConfigBytes) {
    throw Error(ErrorCode::kLimit,
                std::string(kManifestFile) + ": would have " + std::to_string(out.text().size()) +
                    " bytes, expected less than " + std::to_string(json::kConfigBytes));
  }
  return out.text() + "\n";
}

void check_manifest_version(const Directory& directory) {
  const auto document = read_json(directory, kManifestFile, json::kConfigBytes);
  if (document) check_version(document->root());
}

std::optional<Manifest> read_manifest(const Directory& directory) {
  const auto document = read_json(directory, kManifestFile, json::kConfigBytes);
  return document ? std::optional(read_manifest(document->root())) : std::nullopt;
}

Manifest read_manifest(json::Value root) {
  check_version(root);
  Manifest manifest;
  manifest.source_name = root.at("source").at("name").string();
  if (const auto revision = root.at("source").find("revision")) {
    manifest.source_revision = revision->string();
  }
  manifest.source = read_files(root.at("source").at("files"));
  manifest.model_type = root.at("model").at("type").string();
  manifest.head = root.at("model").at("head").string();
  for (const json::Value step : root.at("steps").elements()) {
    const json::Value kind = step.at("step");
    if (kind.string() == "quantize") {
      manifest.quantization = read_quantization(step);
    } else if (kind.string() != "convert") {
      kind.fail("unknown step " + quote(kind.string()));
    } else if (const auto dtype = step.find_non_null("dtype")) {
      manifest.dtype = dtype->string();
    }
  }
  manifest.files = read_files(root.at("files"));
  manifest.quality = read_quality(root.at("quality"));
  if (const auto layers = root.find("layers")) manifest.layers = read_layers(*layers);
  read_tensors(root, manifest);
  check_layers(root, manifest);
  return manifest;
}

}  // namespace linnet::weights
