#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/tasks/encoder_task.h"
#include "tests/support/data.h"
#include "tests/support/temp_dir.h"

// What the pipelines of transformers answer: the files that pipelines/make_cases.py wrote.
namespace linnet::test {

using Json = nlohmann::json;

inline std::vector<Json> pipeline_cases(const std::string& name) {
  std::ifstream file(std::filesystem::path(LINNET_SOURCE_DIR) / "tests/engine/tasks/pipelines" /
                     name);
  std::vector<Json> cases;
  for (std::string line; std::getline(file, line);) cases.push_back(Json::parse(line));
  return cases;
}

/// The text of a case: a string, or [words, count] for the first `count` words of their repetition.
inline std::string text_of(const Json& input) {
  if (input.is_string()) return input;
  std::vector<std::string> words{""};
  for (const char c : input[0].get<std::string>()) {
    c == ' ' ? words.emplace_back() : words.back() += std::string(1, c);
  }
  std::string text;
  for (std::size_t i = 0; i < input[1].get<std::size_t>(); ++i) {
    text += (i == 0 ? "" : " ") + words[i % words.size()];
  }
  return text;
}

/// Substring by code points, as Python slices.
inline std::string slice(const std::string& text, std::int64_t start, std::int64_t end) {
  std::string out;
  std::int64_t at = -1;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++at;
    if (at >= start && at < end) out += c;
  }
  return out;
}

inline std::filesystem::path goldens() { return data_dir() / "goldens"; }

/// The golden `name` in `dir` with the tokenizer of another golden that has the same vocabulary,
/// and `changes` in its config.json.
inline void make_small_model(const TempDir& dir, const std::string& name,
                             const Json& changes = Json::object()) {
  namespace fs = std::filesystem;
  for (const char* file :
       {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"}) {
    fs::copy(goldens() / "bert_seqcls_text" / file, dir.path(file));
  }
  fs::copy(goldens() / name / "model.safetensors", dir.path("model.safetensors"));
  Json config = Json::parse(std::ifstream(goldens() / name / "config.json"));
  config.update(changes);
  dir.write("config.json", config.dump());
}

inline TaskModel load_head(const std::filesystem::path& folder, HeadKind head,
                           kernels::Isa isa = choose_isa()) {
  LoadOptions options;
  options.isa = isa;
  options.head = head;
  return load_task_model(folder, options);
}

}  // namespace linnet::test
