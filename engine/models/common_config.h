#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "weights/base/json.h"

// What the config.json files of all models share.
namespace linnet {

/// What stands on the base model; `architectures` of config.json says it.
enum class HeadKind {
  kBase,
  kSequenceClassification,
  kMultipleChoice,
  kTokenClassification,
  kQuestionAnswering,
  kMaskedLm,
  kNextSentence,
  kPreTraining,  // masked LM and next sentence
  kCausalLm,     // the next token, of GPT-2 only
};

/// "base", "sequence-classification", "multiple-choice", "token-classification",
/// "question-answering", "masked-lm", "next-sentence", "pre-training", "causal-lm".
const char* name(HeadKind kind);

/// The name in `architectures`, e.g. "BertForMaskedLM"; empty for a model_type that is not known.
std::string architecture(std::string_view model_type, HeadKind kind);

enum class ProblemType { kUnset, kRegression, kSingleLabel, kMultiLabel };

struct CommonConfig {
  std::string model_type;  // "bert", "distilbert", …; from architectures where it is missing
  HeadKind head = HeadKind::kBase;
  std::vector<std::string> labels;  // id2label in order; LABEL_0, LABEL_1 where absent
  ProblemType problem_type = ProblemType::kUnset;
  std::map<std::int64_t, std::vector<std::int64_t>> pruned_heads;  // of each layer
  std::int64_t pad_token_id = 0;
  bool tie_word_embeddings = true;
};

/// Reads what is common. Throws kFormat for contradictions, kUnsupported for what no model of ours
/// does: quantisation by others, remote code, decoders with cross-attention, unknown architectures.
CommonConfig read_common_config(json::Value config);

/// An integer under one of several names (aliases); `otherwise` when none is there. Two aliases
/// with different values, wrong types and values outside [low, high] are errors.
std::int64_t read_integer(json::Value config, std::initializer_list<std::string_view> names,
                          std::int64_t otherwise, std::int64_t low, std::int64_t high);
double read_number(json::Value config, std::string_view name, double otherwise);
std::string read_string(json::Value config, std::string_view name, std::string_view otherwise);
bool read_boolean(json::Value config, std::string_view name, bool otherwise);

// Largest values of any config, checked before anything is allocated.
constexpr std::int64_t kMaxLayers = 512, kMaxHeads = 512, kMaxWidth = 65536,
                       kMaxVocabulary = 8'000'000, kMaxPositions = 1'000'000,
                       kMaxLabels = 1'000'000;

}  // namespace linnet
