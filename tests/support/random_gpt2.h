#pragma once

#include <cmath>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "engine/models/gpt2_config.h"
#include "tests/support/temp_dir.h"
#include "weights/base/json.h"
#include "weights/safetensors.h"

namespace linnet::test {

/// Writes a GPT-2 with random weights that matter: sharp attention, LayerNorms away from 1.
inline void write_random_gpt2(const TempDir& dir, const std::string& config_json) {
  const json::Document config = json::parse(config_json, "config.json", json::kConfigBytes);
  const Gpt2Config c = Gpt2Config::from_json(config.root());
  std::mt19937 rng(17);
  std::normal_distribution<float> normal(0, 1);
  std::deque<std::vector<float>> values;  // stays where it is while the tensors point into it
  std::vector<weights::TensorToWrite> tensors;
  for (const weights::TensorRule& rule : gpt2_tensors(c, c.common.head)) {
    if (rule.presence == weights::Presence::kUnused || !rule.tied_to.empty()) continue;
    std::size_t n = 1;
    for (const std::int64_t d : rule.shape) n *= static_cast<std::size_t>(d);
    std::vector<float>& v = values.emplace_back(n);
    const bool norm = rule.name.find("ln_") != std::string::npos && rule.name.ends_with("weight");
    const float scale = rule.conv1d ? 1.5f / std::sqrt(static_cast<float>(rule.shape[0])) : 0.3f;
    for (float& x : v) x = scale * normal(rng) + (norm ? 1.0f : 0.0f);
    tensors.push_back({rule.name, weights::DType::kF32, rule.shape, std::as_bytes(std::span(v))});
  }
  weights::write_safetensors(dir.path("model.safetensors"), tensors);
  dir.write("config.json", config_json);
}

}  // namespace linnet::test
