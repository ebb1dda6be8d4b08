#include "engine/tasks/text_index.h"

#include <cstring>
#include <filesystem>

#include "weights/base/text.h"
#include "weights/directory.h"
#include "weights/safetensors.h"

namespace linnet {
namespace {

namespace fs = std::filesystem;
using weights::DType;
using weights::TensorView;

constexpr char kKind[] = "linnet text index 1";

// Files beside the weights that change what a text's embedding is.
constexpr const char* kSideFiles[] = {"config.json",
                                      "tokenizer.json",
                                      "tokenizer_config.json",
                                      "vocab.txt",
                                      "vocab.json",
                                      "merges.txt",
                                      "special_tokens_map.json",
                                      "added_tokens.json",
                                      "modules.json",
                                      "1_Pooling/config.json",
                                      "sentence_bert_config.json",
                                      "config_sentence_transformers.json"};

std::string hash_model(const EmbeddingModel& model) {
  const weights::Checkpoint& checkpoint = model.sentence.encoder.checkpoint;
  std::string all;
  for (const weights::Safetensors& file : checkpoint.files()) {
    all += weights::text(weights::hash_bytes(file.file().bytes()));
    file.file().release(file.file().bytes());
  }
  for (const SentenceStep& step : model.sentence.config.steps) {
    if (step.folder.empty()) continue;
    for (const char* name : {"/model.safetensors", "/config.json"}) {
      if (const auto file = checkpoint.directory().open(step.folder + name)) {
        all += weights::text(weights::hash_bytes(file->bytes()));
      }
    }
  }
  for (const char* name : kSideFiles) {
    const auto file = checkpoint.directory().open(name);
    all += file ? weights::text(weights::hash_bytes(file->bytes())) : "-";
  }
  return weights::text(weights::hash_bytes(std::as_bytes(std::span(all))));
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kFormat, path + ": is no index of linnet search: " + what);
}

const TensorView& require(const weights::Safetensors& file, const std::string& path,
                          std::string_view name, DType dtype, std::size_t rank) {
  const TensorView* tensor = file.find(name);
  if (tensor == nullptr || tensor->dtype != dtype || tensor->shape.size() != rank) {
    refuse(path, "expected a tensor " + quote(name) + " of type " + weights::name(dtype));
  }
  return *tensor;
}

}  // namespace

std::string text_index_key(const EmbeddingModel& model, const weights::Hash128& text,
                           const EmbedOptions& options) {
  std::string key = "text " + weights::text(text) + " model " + hash_model(model);
  key += " max_length " + std::to_string(model.max_length(options.max_length));
  key += " prompt " +
         quote(options.prompt
                   ? *options.prompt
                   : options.prompt_name.value_or(model.sentence.config.default_prompt_name));
  return key;
}

void save_text_index(const std::string& path, const TextIndex& index) {
  const auto rows = static_cast<std::int64_t>(index.lines.size());
  const weights::TensorToWrite tensors[] = {
      {"embeddings",
       DType::kF32,
       {rows, index.dimensions},
       std::as_bytes(std::span(index.embeddings))},
      {"lines", DType::kI64, {rows}, std::as_bytes(std::span(index.lines))}};
  weights::write_safetensors(path, tensors, {{"kind", kKind}, {"key", index.key}});
}

std::optional<TextIndex> load_text_index(const std::string& path, const std::string& key) {
  if (!fs::exists(path)) return std::nullopt;
  const fs::path full = fs::absolute(path);
  const weights::Directory folder(full.parent_path(), weights::Symlinks::kAll);
  auto opened = folder.open(full.filename().string(), weights::FileAccess::kRead);
  if (!opened) return std::nullopt;
  const weights::Safetensors file(std::move(*opened));
  const auto kind = file.metadata().find("kind");
  if (kind == file.metadata().end() || kind->second != kKind) refuse(path, "its kind is another");
  const auto found = file.metadata().find("key");
  if (found == file.metadata().end() || found->second != key) return std::nullopt;

  const TensorView& embeddings = require(file, path, "embeddings", DType::kF32, 2);
  const TensorView& lines = require(file, path, "lines", DType::kI64, 1);
  if (embeddings.shape[0] != lines.shape[0]) refuse(path, "lines and embeddings differ in number");
  TextIndex index;
  index.key = key;
  index.dimensions = embeddings.shape[1];
  index.lines.resize(static_cast<std::size_t>(lines.elements()));
  index.embeddings.resize(static_cast<std::size_t>(embeddings.elements()));
  std::memcpy(index.lines.data(), lines.bytes.data(), lines.bytes.size());
  std::memcpy(index.embeddings.data(), embeddings.bytes.data(), embeddings.bytes.size());
  return index;
}

}  // namespace linnet
