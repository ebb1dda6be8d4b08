#include "weights/checkpoint.h"

#include <algorithm>
#include <map>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/manifest.h"

namespace linnet::weights {
namespace {

json::Document read_config(const Directory& directory) {
  auto config = read_json(directory, "config.json", json::kConfigBytes);
  if (!config) {
    throw Error(ErrorCode::kIo, directory.name() + ": has no config.json: no model directory");
  }
  config->root().members();  // an object, or an error that says so
  return std::move(*config);
}

// For a shell: in quotes that nothing inside can end.
std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// No weights that can be read: say what there is instead and what to do about it.
[[noreturn]] void fail_without_weights(const Directory& directory) {
  for (const char* file : {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.ckpt",
                           "tf_model.h5", "flax_model.msgpack"}) {
    if (!directory.has(file)) continue;
    throw Error(ErrorCode::kUnsupported,
                directory.name_of(file) +
                    ": found only weights in a format that is not read here (to read it may be to "
                    "execute it), expected model.safetensors. Where you trust the source, convert "
                    "it: python3 -c \"import json, sys, transformers; d = sys.argv[1]; "
                    "getattr(transformers, json.load(open(d + '/config.json'))['architectures'][0])"
                    ".from_pretrained(d).save_pretrained(d, safe_serialization=True)\" " +
                    shell_quoted(directory.name()));
  }
  throw Error(ErrorCode::kIo,
              directory.name() + ": has neither " + kWeightsFile + " nor " + kIndexFile);
}

}  // namespace

std::optional<json::Document> read_json(const Directory& directory, std::string_view name,
                                        std::int64_t max_bytes) {
  const auto text = directory.read(name, max_bytes);
  if (!text) return std::nullopt;
  return json::parse(*text, directory.name_of(name), max_bytes);
}

Checkpoint::Checkpoint(const std::filesystem::path& path, const OpenOptions& options)
    : directory_(path, options.symlinks), config_(read_config(directory_)) {
  check_manifest_version(directory_);
  if (auto single = open_safetensors(directory_, kWeightsFile, options.access)) {
    if (directory_.has(kIndexFile)) {
      warnings_.push_back(directory_.name() + ": has both " + kWeightsFile + " and " + kIndexFile +
                          "; the index is not used");
    }
    files_.push_back(std::move(*single));
    tensors_.assign(files_[0].tensors().begin(), files_[0].tensors().end());
  } else if (const auto index = read_json(kIndexFile, json::kIndexBytes)) {
    open_shards(*index, options.access);
  } else {
    fail_without_weights(directory_);
  }
}

// weight_map and shards must tell the same: every tensor in the shard that is named for it, and
// there only.
void Checkpoint::open_shards(const json::Document& index, FileAccess access) {
  const json::Value map = index.root().at("weight_map");
  std::map<std::string_view, std::string_view> shard_of;  // of each tensor
  std::map<std::string_view, std::size_t> file_of;        // of each shard
  for (const json::Member m : map.members()) {
    const std::string_view shard = m.value.string();
    if (!is_plain_name(shard)) {
      m.value.fail("shard name " + quote(shard) + " is not a plain file name");
    }
    shard_of.emplace(m.key, shard);
    if (!file_of.emplace(shard, files_.size()).second) continue;
    auto file = open_safetensors(directory_, shard, access);
    if (!file) m.value.fail("the shard " + quote(shard) + " is missing");
    files_.push_back(std::move(*file));
  }
  for (const auto& [shard, file] : file_of) {
    for (const TensorView& tensor : files_[file].tensors()) {
      check_shard(tensor, shard, shard_of, file_of);
      tensors_.push_back(tensor);
    }
  }
  for (const json::Member m : map.members()) {
    if (files_[file_of[m.value.string()]].find(m.key) == nullptr) {
      m.value.fail("the shard " + quote(m.value.string()) + " has no such tensor");
    }
  }
  check_total_size(index.root());
  std::sort(tensors_.begin(), tensors_.end(),
            [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
}

// The index must name this shard for a tensor in it.
void Checkpoint::check_shard(const TensorView& tensor, std::string_view shard,
                             const std::map<std::string_view, std::string_view>& shard_of,
                             const std::map<std::string_view, std::size_t>& file_of) const {
  const auto expected = shard_of.find(tensor.name);
  if (expected != shard_of.end() && expected->second == shard) return;
  std::string what = " is not in the index";
  if (expected != shard_of.end()) {
    const bool twice = files_[file_of.at(expected->second)].find(tensor.name) != nullptr;
    what = twice ? " is in two shards, here and in " : " belongs by the index to ";
    what += quote(expected->second);
  }
  throw Error(ErrorCode::kFormat,
              directory_.name_of(shard) + ": tensor " + quote(tensor.name) + what);
}

void Checkpoint::check_total_size(json::Value index) {
  std::int64_t total = 0;
  for (const TensorView& tensor : tensors_) total += static_cast<std::int64_t>(tensor.bytes.size());
  const auto metadata = index.find_non_null("metadata");
  if (!metadata || metadata->kind() != json::Kind::kObject) return;
  const auto claimed = metadata->find_non_null("total_size");
  const bool number =
      claimed && (claimed->kind() == json::Kind::kInteger || claimed->kind() == json::Kind::kFloat);
  if (claimed && !(number && claimed->number() == static_cast<double>(total))) {
    warnings_.push_back(directory_.name_of(kIndexFile) + ": total_size is not the " +
                        std::to_string(total) + " bytes of the tensors");
  }
}

const TensorView* Checkpoint::find(std::string_view name) const {
  const auto it = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const TensorView& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

void Checkpoint::release(const TensorView& tensor) const {
  for (const Safetensors& file : files_) {
    const auto bytes = file.file().bytes();
    if (tensor.bytes.data() >= bytes.data() && tensor.bytes.data() < bytes.data() + bytes.size()) {
      file.file().release(tensor.bytes);
    }
  }
}

std::optional<json::Document> Checkpoint::read_json(std::string_view name,
                                                    std::int64_t max_bytes) const {
  return weights::read_json(directory_, name, max_bytes);
}

}  // namespace linnet::weights
