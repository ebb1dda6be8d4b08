#include "tools/train/model_files.h"

#include <algorithm>
#include <filesystem>

#include "engine/models/common_config.h"
#include "tools/convert/files.h"
#include "tools/convert/plan.h"
#include "weights/base/json_writer.h"
#include "weights/output.h"

namespace linnet::tools {
namespace {

const char* problem_name(ProblemType problem) {
  switch (problem) {
    case ProblemType::kRegression:
      return "regression";
    case ProblemType::kMultiLabel:
      return "multi_label_classification";
    case ProblemType::kSingleLabel:
    case ProblemType::kUnset:
      break;
  }
  return "single_label_classification";
}

}  // namespace

std::string task_config(json::Value config, HeadKind head, const std::vector<std::string>& labels,
                        ProblemType problem) {
  const CommonConfig common = read_common_config(config);
  json::Writer out(2);
  out.begin_object();
  out.key("architectures").begin_array().string(architecture(common.model_type, head)).end_array();
  for (const json::Member m : config.members()) {
    if (m.key == "architectures" || m.key == "id2label" || m.key == "label2id" ||
        m.key == "num_labels" || m.key == "problem_type") {
      continue;
    }
    out.key(m.key);
    copy_value(out, m.value);
  }
  if (!labels.empty()) {
    out.key("id2label").begin_object();
    for (std::size_t i = 0; i < labels.size(); ++i) out.key(std::to_string(i)).string(labels[i]);
    out.end_object();
    out.key("label2id").begin_object();
    for (std::size_t i = 0; i < labels.size(); ++i) {
      out.key(labels[i]).integer(static_cast<std::int64_t>(i));
    }
    out.end_object();
  }
  if (head == HeadKind::kSequenceClassification) {
    out.key("problem_type").string(problem_name(problem));
  }
  out.end_object();
  return std::move(out).text() + "\n";
}

void write_model(const std::string& directory, const TrainableModel& model,
                 const std::string& config, const weights::Checkpoint& source) {
  weights::write_file(directory + "/config.json",
                      [&](weights::OutputFile& file) { file.write(config); });
  std::vector<weights::TensorToWrite> tensors;
  for (const NamedParameter& p : model.tensors) {
    const std::span floats(model.floats() + p.offset, static_cast<std::size_t>(p.elements()));
    tensors.push_back({p.canonical, weights::DType::kF32, p.shape, std::as_bytes(floats)});
  }
  // transformers asks for this key.
  weights::write_safetensors(directory + "/" + kWeightsFile, tensors, {{"format", "pt"}});
  for (const std::string& name : files_to_copy(source, {})) {
    // A classifier is no sentence model, and its own README is not the source's.
    const bool tokenizer = name.find('/') == std::string::npos && name != "modules.json" &&
                           name != "README.md" && !name.starts_with("sentence_") &&
                           name != "config_sentence_transformers.json";
    if (tokenizer) copy_file(source.directory(), name, directory);
  }
}

void write_text(const std::string& path, const std::string& text) {
  weights::write_file(path, [&](weights::OutputFile& file) { file.write(text); });
}

void publish(const std::string& directory, const std::function<void(const std::string&)>& write) {
  namespace fs = std::filesystem;
  // Never committed: what is left of it goes away at the end of this function.
  const weights::OutputDirectory work(directory + "/model", weights::Existing::kReplace);
  const std::string& from = work.temporary_path();
  write(from);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(from)) {
    names.push_back(entry.path().filename().string());
  }
  std::partition(names.begin(), names.end(),
                 [](const std::string& name) { return name != kWeightsFile; });
  fs::remove(directory + "/" + kWeightsFile);
  weights::sync_directory(directory);
  for (const std::string& name : names) {
    if (name == kWeightsFile) weights::sync_directory(directory);
    fs::rename(from + "/" + name, directory + "/" + name);
  }
  weights::sync_directory(directory);
}

}  // namespace linnet::tools
