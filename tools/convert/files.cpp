#include "tools/convert/files.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/output.h"

namespace linnet::tools {
namespace {

namespace fs = std::filesystem;
using weights::Directory;
using weights::ManifestFile;

// config.json is written by itself.
constexpr const char* kKnown[] = {
    "generation_config.json",
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
    "README.md",
    "LICENSE",
    "LICENSE.txt",
};

weights::MappedFile open_file(const Directory& directory, const std::string& name) {
  auto file = directory.open(name);
  if (!file) throw Error(ErrorCode::kIo, directory.name_of(name) + ": is not there");
  return std::move(*file);
}

// The folders that modules.json names; "" is the model itself.
std::vector<std::string> module_folders(const weights::Checkpoint& checkpoint) {
  std::vector<std::string> folders;
  const auto modules = checkpoint.read_json("modules.json", json::kConfigBytes);
  if (!modules) return folders;
  for (const json::Value module : modules->root().elements()) {
    const json::Value path = module.at("path");
    if (path.string().empty()) continue;
    if (!weights::is_plain_name(path.string())) path.fail("is no plain folder name");
    folders.emplace_back(path.string());
  }
  return folders;
}

void add_module(const Directory& directory, const std::string& folder,
                std::vector<std::string>& files) {
  const std::string tensors = folder + "/model.safetensors";
  const std::string pickle = folder + "/pytorch_model.bin";
  if (!directory.has(tensors) && directory.has(pickle)) {
    throw Error(ErrorCode::kUnsupported,
                directory.name_of(pickle) +
                    ": found only weights in a format that is not read here (to read it may be to "
                    "execute it), expected model.safetensors; saving the model with a current "
                    "sentence-transformers writes that");
  }
  for (const std::string& file : {folder + "/config.json", tensors}) {
    if (directory.has(file)) files.push_back(file);
  }
}

}  // namespace

ManifestFile describe_file(const Directory& directory, const std::string& name) {
  const weights::MappedFile file = open_file(directory, name);
  const ManifestFile described{name, static_cast<std::int64_t>(file.bytes().size()),
                               weights::hash_bytes(file.bytes())};
  file.release(file.bytes());
  return described;
}

std::vector<std::string> files_to_copy(const weights::Checkpoint& checkpoint,
                                       const std::vector<std::string>& asked_for) {
  const Directory& directory = checkpoint.directory();
  std::vector<std::string> files;
  for (const char* name : kKnown) {
    if (directory.has(name)) files.emplace_back(name);
  }
  for (const std::string& folder : module_folders(checkpoint)) {
    add_module(directory, folder, files);
  }
  for (const std::string& name : asked_for) {
    const bool ours = name == "config.json" || name == weights::kManifestFile ||
                      name.ends_with(".safetensors") || name == weights::kIndexFile;
    if (ours) {
      throw Error(ErrorCode::kInvalidArgument,
                  quote(name) + ": is written anew and cannot be copied");
    }
    if (std::find(files.begin(), files.end(), name) == files.end()) files.push_back(name);
  }
  return files;
}

ManifestFile copy_file(const Directory& from, const std::string& name,
                       const std::string& to_directory) {
  const weights::MappedFile file = open_file(from, name);
  const fs::path to = fs::path(to_directory) / name;
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (error) {
    throw Error(ErrorCode::kIo, printable(to.parent_path().string()) + ": " + error.message());
  }
  const std::span<const std::byte> bytes = file.bytes();
  weights::write_file(to.string(),
                      [&](weights::OutputFile& out) { out.write(bytes.data(), bytes.size()); });
  return {name, static_cast<std::int64_t>(bytes.size()), weights::hash_bytes(bytes)};
}

std::vector<std::string> left_behind(const Directory& directory,
                                     const std::vector<ManifestFile>& taken) {
  std::set<std::string> known;
  for (const ManifestFile& file : taken) known.insert(file.name.substr(0, file.name.find('/')));
  std::vector<std::string> rest;
  std::error_code error;
  for (fs::directory_iterator it(directory.path(), error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!known.contains(name)) rest.push_back(name);
  }
  if (error) throw Error(ErrorCode::kIo, directory.name() + ": " + error.message());
  std::sort(rest.begin(), rest.end());
  return rest;
}

void check_replaceable(const Directory& source, const std::string& output,
                       weights::Existing existing) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(output, error))) return;
  const fs::path target = fs::canonical(output, error);
  const auto refuse = [&](const char* why) {
    throw Error(ErrorCode::kInvalidArgument, printable(output) + ": " + why);
  };
  if (existing == weights::Existing::kRefuse) refuse("exists; --force replaces a model directory");
  if (error || !fs::is_directory(target)) refuse("exists and is no directory");
  const auto [in_target, in_source] =
      std::mismatch(target.begin(), target.end(), source.path().begin(), source.path().end());
  if (in_target == target.end()) refuse("is the model itself or a folder around it");
  const bool model = fs::exists(target / "config.json") || fs::is_empty(target, error);
  if (!model) refuse("has no config.json: it is no model directory, and is not replaced");
}

}  // namespace linnet::tools
