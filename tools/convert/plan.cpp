#include "tools/convert/plan.h"

#include <filesystem>

#include "engine/models/sentence_config.h"
#include "engine/tasks/embedder.h"
#include "tools/convert/files.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"
#include "weights/output.h"

namespace linnet::tools {
namespace {

using weights::Checkpoint;
using weights::Fate;
using weights::Kept;
using weights::ManifestFile;
using weights::ManifestTensor;
using weights::NameAccount;
using weights::TensorView;

constexpr char kConfigFile[] = "config.json";

// Original names of the tensors that have the bytes of another one, with the rule of that one.
std::map<std::string_view, std::string> tied_tensors(const ModelDescription& description,
                                                     const weights::NameMap& map) {
  std::map<std::string_view, std::string> tied;
  if (!description.common.tie_word_embeddings) return tied;
  for (std::size_t i = 0; i < description.rules.size(); ++i) {
    if (map.ties[i] == weights::Tie::kEqual) {
      tied.emplace(map.tensors[i]->name, description.rules[i].tied_to);
    }
  }
  return tied;
}

bool is_constant(const TensorView& tensor) {
  const auto bytes =
      weights::constant_of(tensor.name, tensor.dtype, {tensor.shape.begin(), tensor.shape.end()});
  return bytes && bytes->size() == tensor.bytes.size() &&
         std::equal(bytes->begin(), bytes->end(), tensor.bytes.begin(),
                    [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

void copy_members(json::Writer& out, json::Value object, const std::string& architecture) {
  out.begin_object();
  if (!architecture.empty()) {
    out.key("architectures").begin_array().string(architecture).end_array();
  }
  for (const json::Member m : object.members()) {
    if (!architecture.empty() && m.key == "architectures") continue;
    out.key(m.key);
    copy_value(out, m.value);
  }
  out.end_object();
}

}  // namespace

void copy_value(json::Writer& out, json::Value value) {
  switch (value.kind()) {
    case json::Kind::kNull:
      out.null();
      break;
    case json::Kind::kBoolean:
      out.boolean(value.boolean());
      break;
    case json::Kind::kInteger:
      out.integer(value.integer());
      break;
    case json::Kind::kBigInteger:
    case json::Kind::kFloat:
      out.float64(value.number());
      break;
    case json::Kind::kString:
      out.string(value.string());
      break;
    case json::Kind::kArray:
      out.begin_array();
      for (const json::Value element : value.elements()) copy_value(out, element);
      out.end_array();
      break;
    case json::Kind::kObject:
      copy_members(out, value, "");
      break;
  }
}

TensorNames::TensorNames(const ModelDescription& description, const weights::NameMap& map) {
  bool heads = description.head != HeadKind::kBase;
  for (std::size_t i = 0; i < description.rules.size(); ++i) {
    const weights::TensorRule& rule = description.rules[i];
    const bool head = rule.scope == weights::Scope::kHead;
    if (head) heads_.emplace(rule.name, true);
    heads = heads || (head && map.tensors[i] != nullptr);
  }
  if (heads) prefix_ = description.spelling.prefixes.front();
}

std::string TensorNames::of_rule(const std::string& rule) const {
  return heads_.contains(rule) ? rule : prefix_ + rule;
}

std::string TensorNames::of(const NameAccount& account) const {
  const bool known = account.fate == Fate::kUsed || account.fate == Fate::kUnused;
  return known ? of_rule(account.name) : account.original;
}

std::map<std::string, ManifestTensor> plan_tensors(const Checkpoint& checkpoint,
                                                   const ModelDescription& description,
                                                   const weights::NameMap& map,
                                                   std::optional<weights::DType> dtype) {
  const TensorNames names(description, map);
  const auto tied = tied_tensors(description, map);
  std::map<std::string, ManifestTensor> tensors;
  for (const NameAccount& account : map.account) {
    const TensorView& from = *checkpoint.find(account.original);
    ManifestTensor tensor;
    tensor.original = account.original;
    tensor.dtype = from.dtype;
    tensor.shape.assign(from.shape.begin(), from.shape.end());
    tensor.fate = account.fate;
    tensor.stored = dtype && weights::is_float(from.dtype) ? *dtype : from.dtype;
    if (const auto tie = tied.find(account.original); tie != tied.end()) {
      tensor.kept = Kept::kTied;
      tensor.tied_to = names.of_rule(tie->second);
    } else if (account.fate == Fate::kBuffer && is_constant(from)) {
      tensor.kept = Kept::kConstant;
    }
    const auto [at, fresh] = tensors.emplace(names.of(account), std::move(tensor));
    if (!fresh) {
      throw Error(ErrorCode::kFormat, checkpoint.directory().name() + ": tensors " +
                                          quote(at->second.original) + " and " +
                                          quote(account.original) + " would both be named " +
                                          quote(at->first));
    }
  }
  return tensors;
}

std::vector<Transfer> transfers(const Checkpoint& checkpoint, const weights::Manifest& manifest) {
  std::vector<Transfer> list;
  for (const auto& [name, tensor] : manifest.tensors) {
    if (tensor.kept != Kept::kStored) continue;
    list.push_back({{name, tensor.stored, tensor.shape}, *checkpoint.find(tensor.original)});
  }
  return list;
}

ManifestFile write_config(const Checkpoint& checkpoint, const ModelDescription& description,
                          const std::string& directory) {
  if (description.head == read_common_config(checkpoint.config()).head) {
    return copy_file(checkpoint.directory(), kConfigFile, directory);
  }
  json::Writer out(2);
  copy_members(out, checkpoint.config(),
               architecture(description.common.model_type, description.head));
  weights::write_file(directory + "/" + kConfigFile,
                      [&](weights::OutputFile& file) { file.write(out.text() + "\n"); });
  return describe_file(weights::Directory(directory), kConfigFile);
}

void check_companions(const weights::Directory& directory, const ModelDescription& description) {
  if (directory.has("modules.json")) read_sentence_config(directory, description.width);
  if (!has_tokenizer(directory)) return;
  const tokenizer::Tokenizer tokenizer = load_tokenizer(directory);
  if (tokenizer.vocab_size() > description.vocab_size) {
    throw Error(ErrorCode::kFormat,
                directory.name() + ": the tokenizer has " + std::to_string(tokenizer.vocab_size()) +
                    " tokens, the model only " + std::to_string(description.vocab_size));
  }
}

void describe_source(const Checkpoint& checkpoint, const std::vector<std::string>& copied,
                     weights::Manifest& manifest) {
  const weights::Directory& directory = checkpoint.directory();
  manifest.source_name = printable(directory.path().filename().string());
  if (directory.path().parent_path().filename() == "snapshots") {
    manifest.source_revision = manifest.source_name;
    const auto repository = directory.path().parent_path().parent_path().filename();
    manifest.source_name = printable(repository.string());
  }
  std::vector<std::string> names{kConfigFile};
  if (checkpoint.files().size() > 1 || !directory.has(kWeightsFile)) {
    names.emplace_back(kIndexFile);
  }
  names.insert(names.end(), copied.begin(), copied.end());
  for (const std::string& name : names) {
    manifest.source.push_back(describe_file(directory, name));
  }
  for (const weights::Safetensors& file : checkpoint.files()) {
    const std::span<const std::byte> bytes = file.file().bytes();
    manifest.source.push_back({std::filesystem::path(file.file().name()).filename().string(),
                               static_cast<std::int64_t>(bytes.size()),
                               weights::hash_bytes(bytes)});
    file.file().release(bytes);
  }
}

}  // namespace linnet::tools
