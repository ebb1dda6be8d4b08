#include "tools/bench/random_checkpoint.h"

#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "engine/models/model_description.h"
#include "weights/base/json.h"
#include "weights/output.h"
#include "weights/safetensors.h"

namespace linnet::bench {

void write_random_checkpoint(const std::filesystem::path& directory,
                             const std::string& config_json) {
  const json::Document config = json::parse(config_json, "config.json", json::kConfigBytes);
  const ModelDescription description = describe_model(config.root());
  std::filesystem::create_directories(directory);
  std::mt19937 rng(0);
  std::normal_distribution<float> normal(0, 0.02f);
  std::deque<std::vector<float>> values;  // stays where it is while the tensors point into it
  std::vector<weights::TensorToWrite> tensors;
  for (const weights::TensorRule& rule : description.rules) {
    if (rule.presence == weights::Presence::kUnused || !rule.tied_to.empty()) continue;
    std::size_t n = 1;
    for (const std::int64_t d : rule.shape) n *= static_cast<std::size_t>(d);
    std::vector<float>& v = values.emplace_back(n);
    const bool norm = rule.shape.size() == 1 && rule.name.ends_with(".weight");
    for (float& x : v) x = normal(rng) + (norm ? 1.0f : 0.0f);
    tensors.push_back({rule.name, weights::DType::kF32, rule.shape, std::as_bytes(std::span(v))});
  }
  weights::write_safetensors((directory / "model.safetensors").string(), tensors);
  weights::write_file((directory / "config.json").string(),
                      [&](weights::OutputFile& out) { out.write(config_json); });
}

}  // namespace linnet::bench
