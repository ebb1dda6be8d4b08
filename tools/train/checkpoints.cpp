#include "tools/train/checkpoints.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "tools/convert/plan.h"
#include "tools/train/model_files.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"
#include "weights/hash.h"
#include "weights/output.h"

namespace linnet::tools {
namespace {

namespace fs = std::filesystem;
constexpr const char* kPrefix = "checkpoint-";
constexpr const char* kManifest = "manifest.json";
constexpr const char* kState = "trainer_state.json";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr std::int64_t kFormatVersion = 1;
constexpr std::int64_t kStateBytes = std::int64_t{64} << 20;

// Checkpoints of a run by their step.
std::map<std::int64_t, std::string> checkpoints_of(const std::string& output) {
  std::map<std::int64_t, std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(output, error)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || !name.starts_with(kPrefix)) continue;
    const char* begin = name.data() + std::strlen(kPrefix);
    const char* end = name.data() + name.size();
    std::int64_t step = 0;
    const auto parsed = std::from_chars(begin, end, step);
    if (parsed.ec == std::errc() && parsed.ptr == end) found[step] = entry.path().string();
  }
  return found;
}

std::string manifest_of(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  json::Writer out(2);
  out.begin_object().key("schema").integer(kFormatVersion).key("files").begin_array();
  for (const std::string& name : names) {
    const std::string path = directory + "/" + name;
    out.begin_object().key("name").string(name);
    out.key("bytes").integer(static_cast<std::int64_t>(fs::file_size(path)));
    out.key("xxh3").string(weights::text(weights::hash_file(path))).end_object();
  }
  return std::move(out.end_array().end_object()).text() + "\n";
}

json::Document read(const std::string& directory, const char* name) {
  auto document = weights::read_json(weights::Directory(directory), name, kStateBytes);
  if (!document) throw Error(ErrorCode::kIo, directory + ": has no " + name);
  return std::move(*document);
}

void write_optimizer(const std::string& path, train::Trainer& trainer) {
  std::vector<weights::TensorToWrite> tensors;
  for (const train::Optimizer::State& state : trainer.optimizer().state()) {
    for (const NamedParameter& p : trainer.model().tensors) {
      const std::span floats(state.base + p.offset, static_cast<std::size_t>(p.elements()));
      tensors.push_back(
          {state.name + "." + p.canonical, weights::DType::kF32, p.shape, std::as_bytes(floats)});
    }
  }
  weights::write_safetensors(path, tensors, {{"step", std::to_string(trainer.steps())}});
}

// Reads a tensor for each parameter into a block of their layout.
void read_tensors(const std::string& directory, const char* name, const std::string& prefix,
                  const TrainableModel& model, float* block) {
  const auto file = weights::open_safetensors(weights::Directory(directory), name);
  if (!file) throw Error(ErrorCode::kIo, directory + ": has no " + name);
  for (const NamedParameter& p : model.tensors) {
    const weights::TensorView* tensor = file->find(prefix + p.canonical);
    if (tensor == nullptr || tensor->dtype != weights::DType::kF32 ||
        tensor->elements() != p.elements()) {
      throw Error(ErrorCode::kFormat, directory + "/" + name + ": tensor " +
                                          quote(prefix + p.canonical) +
                                          " is missing or has another shape");
    }
    std::memcpy(block + p.offset, tensor->bytes.data(), tensor->bytes.size());
  }
}

}  // namespace

void verify_checkpoint(const std::string& directory) {
  const json::Document document = read(directory, kManifest);
  const json::Value root = document.root();
  if (root.at("schema").integer() != kFormatVersion) root.fail("is of another version");
  for (const json::Value file : root.at("files").elements()) {
    const std::string name(file.at("name").string());
    if (!weights::is_plain_name(name)) file.fail("is no plain file name");
    const std::string path = directory + "/" + name;
    std::error_code error;
    const auto bytes = fs::file_size(path, error);
    const bool same = !error && static_cast<std::int64_t>(bytes) == file.at("bytes").integer() &&
                      weights::text(weights::hash_file(path)) == file.at("xxh3").string();
    if (!same) throw Error(ErrorCode::kFormat, path + ": is not what " + kManifest + " says");
  }
}

std::string checkpoint_name(std::int64_t step) { return kPrefix + std::to_string(step); }

std::string state_text(const train::Trainer& trainer, const RunState& state) {
  json::Writer out(2);
  out.begin_object();
  out.key("best_global_step");
  state.best_step > 0 ? out.integer(state.best_step) : out.null();
  out.key("best_metric");
  state.best_metric ? out.float64(*state.best_metric) : out.null();
  out.key("best_model_checkpoint");
  state.best_step > 0 ? out.string(checkpoint_name(state.best_step)) : out.null();
  out.key("epoch").float64(trainer.epoch());
  out.key("global_step").integer(trainer.steps());
  out.key("max_steps").integer(trainer.total_steps());
  out.key("log_history").begin_array();
  for (const LogEntry& e : state.log) {
    out.begin_object().key("epoch").float64(e.epoch);
    for (const auto& [name, value] : e.values) out.key(name).float64(value);
    out.key("step").integer(e.step).end_object();
  }
  out.end_array();
  out.key("loss_sum").float64(state.loss_sum).key("loss_steps").integer(state.loss_steps);
  out.key("loss_total").float64(state.loss_total);
  out.key("worse_evaluations").integer(state.worse);
  out.key("options").string(state.options);
  out.key("finished").boolean(trainer.finished() || state.stopped);
  out.key("stopped_early").boolean(state.stopped);
  out.key("format_version").integer(kFormatVersion);
  return std::move(out.end_object()).text() + "\n";
}

void save_checkpoint(const std::string& output, train::Trainer& trainer, const RunState& state,
                     const CheckpointSource& files, std::int64_t limit) {
  trainer.check_parameters();
  const std::string path = output + "/" + checkpoint_name(trainer.steps());
  weights::OutputDirectory directory(path, weights::Existing::kReplace);
  const std::string& to = directory.temporary_path();
  write_model(to, trainer.model(), files.config, files.source);
  write_optimizer(to + "/" + kOptimizer, trainer);
  write_text(to + "/" + kState, state_text(trainer, state));
  write_text(to + "/" + kManifest, manifest_of(to));
  directory.commit();
  const auto all = checkpoints_of(output);
  std::int64_t spare = limit > 0 ? static_cast<std::int64_t>(all.size()) - limit : 0;
  for (const auto& [step, folder] : all) {
    if (spare-- <= 0) break;
    if (step != state.best_step) fs::remove_all(folder);
  }
}

void remove_checkpoints(const std::string& output) {
  for (const auto& [step, path] : checkpoints_of(output)) fs::remove_all(path);
}

std::optional<std::string> newest_checkpoint(const std::string& output, const cli::Log& log) {
  const auto all = checkpoints_of(output);
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    try {
      verify_checkpoint(it->second);
      return it->second;
    } catch (const Error& e) {
      log.warning(std::string("passed over: ") + e.what());
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> newest_step(const std::string& output) {
  const auto all = checkpoints_of(output);
  if (all.empty()) return std::nullopt;
  return all.rbegin()->first;
}

void load_parameters(const std::string& output, std::int64_t step, TrainableModel& model) {
  const std::string path = output + "/" + checkpoint_name(step);
  verify_checkpoint(path);
  read_tensors(path, kWeightsFile, "", model, model.floats());
}

RunState load_state(const std::string& checkpoint, train::Trainer& trainer) {
  const json::Document document = read(checkpoint, kState);
  const json::Value root = document.root();
  const auto number = [](json::Value value) {
    return value.is_null() ? std::nan("") : value.number();
  };
  RunState state;
  state.step = root.at("global_step").integer(0, std::int64_t{1} << 40);
  state.loss_sum = root.at("loss_sum").number();
  state.loss_steps = root.at("loss_steps").integer();
  state.loss_total = root.at("loss_total").number();
  state.options = root.at("options").string();
  state.worse = root.at("worse_evaluations").integer();
  state.stopped = root.at("stopped_early").boolean();
  if (const auto best = root.find_non_null("best_metric")) state.best_metric = best->number();
  if (const auto best = root.find_non_null("best_global_step")) state.best_step = best->integer();
  for (const json::Value e : root.at("log_history").elements()) {
    LogEntry entry{e.at("step").integer(), e.at("epoch").number(), {}};
    for (const json::Member m : e.members()) {
      if (m.key == "step" || m.key == "epoch") continue;
      entry.values.emplace_back(std::string(m.key), number(m.value));
    }
    state.log.push_back(std::move(entry));
  }
  for (const train::Optimizer::State& moments : trainer.optimizer().state()) {
    read_tensors(checkpoint, kOptimizer, moments.name + ".", trainer.model(), moments.base);
  }
  trainer.optimizer().resume_at(state.step);
  return state;
}

}  // namespace linnet::tools
