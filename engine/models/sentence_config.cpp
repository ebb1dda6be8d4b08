#include "engine/models/sentence_config.h"

#include <algorithm>
#include <array>

#include "engine/models/common_config.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/checkpoint.h"

namespace linnet {
namespace {

using kernels::Activation;
using weights::Directory;

struct Mode {
  std::string_view flag, word;  // of old and new configurations
  Pooling pooling;
};

// In the order in which the original concatenates them.
constexpr std::array<Mode, 6> kModes{{
    {"pooling_mode_cls_token", "cls", Pooling::kCls},
    {"pooling_mode_max_tokens", "max", Pooling::kMax},
    {"pooling_mode_mean_tokens", "mean", Pooling::kMean},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Pooling::kMeanSqrtLen},
    {"pooling_mode_weightedmean_tokens", "weightedmean", Pooling::kWeightedMean},
    {"pooling_mode_lasttoken", "lasttoken", Pooling::kLastToken},
}};

// Dropout does nothing here.
constexpr std::array<std::string_view, 6> kModules{"Transformer", "Pooling",   "Dense",
                                                   "LayerNorm",   "Normalize", "Dropout"};

struct NamedActivation {
  std::string_view name;
  Activation activation;
};
constexpr std::array<NamedActivation, 5> kActivations{{{"Tanh", Activation::kTanh},
                                                       {"Identity", Activation::kNone},
                                                       {"ReLU", Activation::kRelu},
                                                       {"GELU", Activation::kGelu},
                                                       {"Sigmoid", Activation::kSigmoid}}};

// Class paths changed from release to release; their last component did not.
std::string_view last_component(std::string_view path) {
  return path.substr(path.rfind('.') == path.npos ? 0 : path.rfind('.') + 1);
}

[[noreturn]] void unsupported(const Directory& directory, std::string_view file,
                              const std::string& what) {
  throw Error(ErrorCode::kUnsupported, directory.name_of(file) + ": " + what);
}

json::Document require_json(const Directory& directory, const std::string& file) {
  auto document = weights::read_json(directory, file, json::kConfigBytes);
  if (!document) throw Error(ErrorCode::kIo, directory.name_of(file) + ": is missing");
  return std::move(*document);
}

// "cls", or several words: ["cls", "mean"], or "cls+mean".
std::vector<std::string> pooling_words(json::Value mode) {
  std::vector<std::string> words;
  if (mode.kind() == json::Kind::kArray) {
    for (const json::Value word : mode.elements()) words.emplace_back(word.string());
    return words;
  }
  const std::string_view text = mode.string();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('+', begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

void read_pooling(const Directory& directory, const std::string& folder, std::int64_t D,
                  SentenceConfig& c) {
  const json::Document document = require_json(directory, folder + "/config.json");
  const json::Value root = document.root();
  const std::int64_t width =
      read_integer(root, {"word_embedding_dimension", "embedding_dimension"}, D, 1, kMaxWidth);
  if (width != D) {
    root.fail("pools vectors of width " + std::to_string(width) + ", the encoder's have " +
              std::to_string(D));
  }
  std::vector<std::string> words;
  if (const auto mode = root.find_non_null("pooling_mode")) words = pooling_words(*mode);
  for (const std::string& word : words) {
    if (std::none_of(kModes.begin(), kModes.end(), [&](const Mode& m) { return m.word == word; })) {
      root.at("pooling_mode").fail("the pooling " + quote(word) + " is not known");
    }
  }
  c.pooling.clear();
  for (const Mode& mode : kModes) {
    if (read_boolean(root, mode.flag, false) ||
        std::find(words.begin(), words.end(), mode.word) != words.end()) {
      c.pooling.push_back(mode.pooling);
    }
  }
  if (c.pooling.empty()) c.pooling = {Pooling::kMean};
  c.include_prompt = read_boolean(root, "include_prompt", true);
}

SentenceStep read_dense(const Directory& directory, const std::string& folder) {
  const json::Document document = require_json(directory, folder + "/config.json");
  const json::Value root = document.root();
  SentenceStep step;
  step.kind = SentenceStep::Kind::kDense;
  step.folder = folder;
  step.in_features = root.at("in_features").integer(1, kMaxWidth);
  step.out_features = root.at("out_features").integer(1, kMaxWidth);
  step.bias = read_boolean(root, "bias", true);
  const std::string path = read_string(root, "activation_function", "Tanh");
  for (const NamedActivation& known : kActivations) {
    if (last_component(path) == known.name) {
      step.activation = known.activation;
      return step;
    }
  }
  unsupported(directory, folder + "/config.json",
              "the activation " + quote(path) + " is not supported");
}

SentenceStep read_layer_norm(const Directory& directory, const std::string& folder) {
  const json::Document document = require_json(directory, folder + "/config.json");
  SentenceStep step;
  step.kind = SentenceStep::Kind::kLayerNorm;
  step.folder = folder;
  step.in_features = document.root().at("dimension").integer(1, kMaxWidth);
  step.out_features = step.in_features;
  return step;
}

void read_modules(const Directory& directory, json::Value modules, std::int64_t D,
                  SentenceConfig& c) {
  std::int64_t index = 0, width = 0;
  for (const json::Value module : modules.elements()) {
    const std::string_view type = last_component(module.at("type").string());
    const std::string folder(module.at("path").string());
    if (std::find(kModules.begin(), kModules.end(), type) == kModules.end()) {
      unsupported(directory, "modules.json", "the module " + quote(type) + " is not supported");
    }
    if ((index == 0) != (type == "Transformer") || (index == 1) != (type == "Pooling")) {
      module.fail("found a module " + quote(type) +
                  ", expected Transformer, then Pooling, then others");
    }
    if (type == "Transformer" && !folder.empty()) {
      module.fail("the encoder lies in " + quote(folder) + ", expected it beside modules.json");
    }
    if (type == "Pooling") {
      read_pooling(directory, folder, D, c);
      width = static_cast<std::int64_t>(c.pooling.size()) * D;
    } else if (type == "Dense" || type == "LayerNorm") {
      c.steps.push_back(type == "Dense" ? read_dense(directory, folder)
                                        : read_layer_norm(directory, folder));
      if (c.steps.back().in_features != width) {
        module.fail("takes " + std::to_string(c.steps.back().in_features) +
                    " features, the module before it gives " + std::to_string(width));
      }
      width = c.steps.back().out_features;
    } else if (type == "Normalize") {
      c.steps.push_back({});
    }
    ++index;
  }
  if (index < 2) modules.fail("has no Pooling");
}

void read_lengths(const Directory& directory, SentenceConfig& c) {
  // The name depends on the release and on the encoder.
  for (const char* file : {"sentence_bert_config.json", "sentence_roberta_config.json",
                           "sentence_distilbert_config.json", "sentence_camembert_config.json",
                           "sentence_albert_config.json", "sentence_xlm-roberta_config.json",
                           "sentence_xlnet_config.json"}) {
    const auto document = weights::read_json(directory, file, json::kConfigBytes);
    if (!document) continue;
    if (const auto length = document->root().find_non_null("max_seq_length")) {
      c.max_seq_length = length->integer(1, kMaxPositions);
    }
    c.do_lower_case = read_boolean(document->root(), "do_lower_case", false);
    return;
  }
}

void read_prompts(const Directory& directory, SentenceConfig& c) {
  const auto document =
      weights::read_json(directory, "config_sentence_transformers.json", json::kConfigBytes);
  if (!document) return;
  const json::Value root = document->root();
  if (const auto prompts = root.find_non_null("prompts")) {
    for (const json::Member m : prompts->members()) {
      c.prompts.emplace_back(std::string(m.key), std::string(m.value.string()));
    }
  }
  c.default_prompt_name = read_string(root, "default_prompt_name", "");
  if (!c.default_prompt_name.empty()) {
    const bool known = std::any_of(c.prompts.begin(), c.prompts.end(),
                                   [&](const auto& p) { return p.first == c.default_prompt_name; });
    if (!known) root.at("default_prompt_name").fail("names no prompt");
  }
  c.similarity = read_string(root, "similarity_fn_name", "cosine");
}

}  // namespace

std::int64_t SentenceConfig::dimensions(std::int64_t D) const {
  std::int64_t width = static_cast<std::int64_t>(pooling.size()) * D;
  for (const SentenceStep& step : steps) {
    if (step.kind != SentenceStep::Kind::kNormalize) width = step.out_features;
  }
  return width;
}

const std::string& SentenceConfig::prompt(std::string_view name) const {
  std::string known;
  for (const auto& [key, text] : prompts) {
    if (key == name) return text;
    known += (known.empty() ? "" : ", ") + quote(key);
  }
  throw Error(
      ErrorCode::kInvalidArgument,
      "prompt " + quote(name) + " is not known, the model has " + (known.empty() ? "none" : known));
}

SentenceConfig read_sentence_config(const Directory& directory, std::int64_t D) {
  SentenceConfig c;
  if (const auto modules = weights::read_json(directory, "modules.json", json::kConfigBytes)) {
    read_modules(directory, modules->root(), D, c);
  }
  read_lengths(directory, c);
  read_prompts(directory, c);
  return c;
}

std::int64_t effective_max_length(std::optional<std::int64_t> asked, const SentenceConfig& config,
                                  std::optional<std::int64_t> tokenizer_max_length,
                                  std::int64_t positions) {
  std::int64_t length = positions;
  if (tokenizer_max_length) length = *tokenizer_max_length;
  if (config.max_seq_length) length = *config.max_seq_length;
  if (asked) length = *asked;
  return std::min(length, positions);
}

}  // namespace linnet
