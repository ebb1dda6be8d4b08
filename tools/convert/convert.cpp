#include "tools/convert/convert.h"

#include <map>

#include "engine/models/sentence_config.h"
#include "engine/tasks/embedder.h"
#include "tools/convert/files.h"
#include "tools/convert/tensors.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"
#include "weights/name_map.h"
#include "weights/number_formats.h"

namespace linnet::tools {
namespace {

using weights::Checkpoint;
using weights::DType;
using weights::Fate;
using weights::Kept;
using weights::ManifestFile;
using weights::ManifestTensor;
using weights::NameAccount;
using weights::TensorView;

constexpr char kWeightsFile[] = "model.safetensors";
constexpr char kConfigFile[] = "config.json";

// Names as transformers saves this architecture: the base model under its prefix where something
// stands on it.
class Names {
 public:
  Names(const EncoderDescription& description, const weights::NameMap& map) {
    bool heads = description.head != HeadKind::kBase;
    for (std::size_t i = 0; i < description.rules.size(); ++i) {
      const weights::TensorRule& rule = description.rules[i];
      const bool head = rule.scope == weights::Scope::kHead;
      if (head) heads_.emplace(rule.name, true);
      heads = heads || (head && map.tensors[i] != nullptr);
    }
    if (heads) prefix_ = description.common.model_type + ".";
  }
  std::string of_rule(const std::string& rule) const {
    return heads_.contains(rule) ? rule : prefix_ + rule;
  }
  std::string of(const NameAccount& account) const {
    const bool known = account.fate == Fate::kUsed || account.fate == Fate::kUnused;
    return known ? of_rule(account.name) : account.original;
  }

 private:
  std::map<std::string, bool> heads_;
  std::string prefix_;
};

// Original names of the tensors that have the bytes of another one, with the rule of that one.
std::map<std::string_view, std::string> tied_tensors(const EncoderDescription& description,
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

// What becomes of every tensor.
std::map<std::string, ManifestTensor> plan(const Checkpoint& checkpoint,
                                           const EncoderDescription& description,
                                           const weights::NameMap& map,
                                           const ConvertOptions& options) {
  const Names names(description, map);
  const auto tied = tied_tensors(description, map);
  std::map<std::string, ManifestTensor> tensors;
  for (const NameAccount& account : map.account) {
    const TensorView& from = *checkpoint.find(account.original);
    ManifestTensor tensor;
    tensor.original = account.original;
    tensor.dtype = from.dtype;
    tensor.shape.assign(from.shape.begin(), from.shape.end());
    tensor.fate = account.fate;
    tensor.stored = options.dtype && weights::is_float(from.dtype) ? *options.dtype : from.dtype;
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

void write_tensors(const Checkpoint& checkpoint, const std::vector<Transfer>& list,
                   const std::string& path, NonFinite non_finite, Conversion& result) {
  std::vector<weights::TensorHeader> headers;
  for (const Transfer& one : list) headers.push_back(one.to);
  // transformers wants to be told the framework.
  const weights::Metadata metadata{{"format", "pt"}};
  weights::write_safetensors(path, headers, metadata, [&](std::size_t i, weights::OutputFile& out) {
    const Transfer& one = list[i];
    ManifestTensor& tensor = result.manifest.tensors.at(one.to.name);
    tensor.rounded = transfer(one, non_finite, [&](std::span<const std::byte> bytes) {
      out.write(bytes.data(), bytes.size());
      result.bytes_written += static_cast<std::int64_t>(bytes.size());
    });
    result.bytes_read += static_cast<std::int64_t>(one.from.bytes.size());
    checkpoint.release(one.from);
  });
}

void copy_value(json::Writer& out, json::Value value);

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

// config.json as it is, or with the architecture of the task that was asked for.
ManifestFile write_config(const Checkpoint& checkpoint, const EncoderDescription& description,
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

// What stands beside the weights must be of use too: it is read as loading would.
void check_companions(const weights::Directory& directory, const EncoderDescription& description) {
  if (directory.has("modules.json")) read_sentence_config(directory, description.config.D);
  if (!has_tokenizer(directory)) return;
  const tokenizer::Tokenizer tokenizer = load_tokenizer(directory);
  if (tokenizer.vocab_size() > description.config.vocab_size) {
    throw Error(ErrorCode::kFormat,
                directory.name() + ": the tokenizer has " + std::to_string(tokenizer.vocab_size()) +
                    " tokens, the model only " + std::to_string(description.config.vocab_size));
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
    names.emplace_back("model.safetensors.index.json");
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

// Reads everything again and compares.
void verify(const std::string& directory, const EncoderDescription& description,
            const std::vector<Transfer>& list, const weights::Manifest& manifest) {
  const Checkpoint written(directory);
  const auto read = weights::read_manifest(written.directory());
  if (!read || weights::manifest_text(*read) != weights::manifest_text(manifest)) {
    throw Error(ErrorCode::kFormat, "linnet.json is not what was written: a faulty disk?");
  }
  if (written.tensors().size() != list.size()) {
    throw Error(ErrorCode::kFormat, "tensors are missing from what was written");
  }
  for (const Transfer& one : list) {
    const TensorView* tensor = written.find(one.to.name);
    if (tensor == nullptr) {
      throw Error(ErrorCode::kFormat, "tensor " + quote(one.to.name) + " was not written");
    }
    compare(one, *tensor);
    written.release(*tensor);
  }
  map_names(written, description.rules, description.spelling);
  for (const ManifestFile& file : manifest.files) {
    if (describe_file(written.directory(), file.name).hash != file.hash) {
      throw Error(ErrorCode::kFormat,
                  printable(file.name) + " is not what was written: a faulty disk?");
    }
  }
}

}  // namespace

Conversion convert(const ConvertOptions& options) {
  const Checkpoint checkpoint(options.model, options.open);
  const weights::Directory& source = checkpoint.directory();
  if (source.has(weights::kManifestFile)) {
    throw Error(ErrorCode::kInvalidArgument,
                source.name_of(weights::kManifestFile) +
                    ": the directory was converted before; convert what linnet export makes of it");
  }
  check_replaceable(source, options.output, options.existing);
  const EncoderDescription description = describe_encoder(checkpoint.config(), options.head);
  const weights::NameMap map =
      map_names(checkpoint, description.rules, description.spelling, options.unexpected);
  check_companions(source, description);
  const std::vector<std::string> copied = files_to_copy(checkpoint, options.copy_files);

  Conversion result;
  result.warnings.assign(checkpoint.warnings().begin(), checkpoint.warnings().end());
  result.warnings.insert(result.warnings.end(), map.warnings.begin(), map.warnings.end());
  weights::Manifest& manifest = result.manifest;
  manifest.model_type = description.common.model_type;
  manifest.head = name(description.head);
  if (options.dtype) manifest.dtype = weights::name(*options.dtype);
  manifest.tensors = plan(checkpoint, description, map, options);
  describe_source(checkpoint, copied, manifest);
  result.not_copied = left_behind(source, manifest.source);

  weights::OutputDirectory output(options.output, options.existing);
  const std::string& directory = output.temporary_path();
  const std::vector<Transfer> list = transfers(checkpoint, manifest);
  manifest.files.push_back(write_config(checkpoint, description, directory));
  write_tensors(checkpoint, list, directory + "/" + kWeightsFile, options.non_finite, result);
  manifest.files.push_back(describe_file(weights::Directory(directory), kWeightsFile));
  for (const std::string& file : copied) {
    manifest.files.push_back(copy_file(source, file, directory));
  }
  weights::write_file(directory + "/" + weights::kManifestFile, [&](weights::OutputFile& out) {
    out.write(weights::manifest_text(manifest));
  });
  if (options.verify == Verify::kYes) {
    verify(directory, description, list, manifest);
    result.verified = Verify::kYes;
  }
  output.commit();
  return result;
}

}  // namespace linnet::tools
