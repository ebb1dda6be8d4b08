#include "engine/models/common_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet {
namespace {

struct Suffix {
  std::string_view text;
  HeadKind head;
};

// Architectures are named <Model><what stands on it>.
constexpr std::array<Suffix, 9> kSuffixes{{
    {"Model", HeadKind::kBase},
    {"ForSequenceClassification", HeadKind::kSequenceClassification},
    {"ForMultipleChoice", HeadKind::kMultipleChoice},
    {"ForTokenClassification", HeadKind::kTokenClassification},
    {"ForQuestionAnswering", HeadKind::kQuestionAnswering},
    {"ForMaskedLM", HeadKind::kMaskedLm},
    {"ForNextSentencePrediction", HeadKind::kNextSentence},
    {"ForPreTraining", HeadKind::kPreTraining},
    {"LMHeadModel", HeadKind::kCausalLm},
}};

struct Family {
  std::string_view prefix, model_type;
};
constexpr std::array<Family, 3> kFamilies{
    {{"DistilBert", "distilbert"}, {"Bert", "bert"}, {"GPT2", "gpt2"}}};

[[noreturn]] void unsupported(json::Value value, const std::string& what) {
  try {
    value.fail(what);
  } catch (const Error& e) {
    throw Error(ErrorCode::kUnsupported, e.what());
  }
}

void refuse_foreign(json::Value config) {
  if (const auto v = config.find_non_null("quantization_config")) {
    unsupported(*v, "weights quantised by another program are not supported");
  }
  if (const auto v = config.find_non_null("auto_map")) {
    unsupported(*v, "the model needs code of its own (auto_map), which is never run");
  }
  for (const char* key : {"is_decoder", "add_cross_attention"}) {
    const auto v = config.find_non_null(key);
    if (v && v->boolean()) unsupported(*v, std::string(key) + " true is not supported");
  }
}

// The integer that a key of id2label stands for.
std::int64_t label_id(const json::Member& member) {
  std::int64_t id = -1;
  const char* end = member.key.data() + member.key.size();
  const auto parsed = std::from_chars(member.key.data(), end, id);
  if (parsed.ec != std::errc() || parsed.ptr != end || id < 0) {
    member.value.fail("the key " + quote(member.key) + " is no label number");
  }
  return id;
}

std::vector<std::string> read_labels(json::Value config) {
  const auto id2label = config.find_non_null("id2label");
  const auto num_labels = config.find_non_null("num_labels");
  std::vector<std::string> labels;
  if (!id2label) {
    const std::int64_t n = num_labels ? num_labels->integer(1, kMaxLabels) : 2;
    for (std::int64_t i = 0; i < n; ++i) labels.push_back("LABEL_" + std::to_string(i));
    return labels;
  }
  std::vector<std::pair<std::int64_t, std::string_view>> pairs;
  for (const json::Member m : id2label->members())
    pairs.emplace_back(label_id(m), m.value.string());
  std::sort(pairs.begin(), pairs.end());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i].first != static_cast<std::int64_t>(i)) {
      id2label->fail("labels must be numbered 0 to " + std::to_string(pairs.size() - 1) +
                     ", found " + std::to_string(pairs[i].first) + " where " + std::to_string(i) +
                     " is due");
    }
    labels.emplace_back(pairs[i].second);
  }
  if (labels.empty()) id2label->fail("has no label");
  if (num_labels && num_labels->integer() != static_cast<std::int64_t>(labels.size())) {
    num_labels->fail("found " + std::to_string(num_labels->integer()) + ", id2label has " +
                     std::to_string(labels.size()) + " labels");
  }
  if (const auto label2id = config.find_non_null("label2id")) {
    if (label2id->size() != static_cast<std::int64_t>(labels.size())) {
      label2id->fail("has " + std::to_string(label2id->size()) + " labels, id2label has " +
                     std::to_string(labels.size()));
    }
    for (const json::Member m : label2id->members()) {
      const std::int64_t id = m.value.integer(0, static_cast<std::int64_t>(labels.size()) - 1);
      if (labels[static_cast<std::size_t>(id)] != m.key) {
        m.value.fail("label " + quote(m.key) + " is number " + std::to_string(id) +
                     ", which id2label calls " + quote(labels[static_cast<std::size_t>(id)]));
      }
    }
  }
  return labels;
}

ProblemType read_problem_type(json::Value config) {
  const auto value = config.find_non_null("problem_type");
  if (!value) return ProblemType::kUnset;
  if (value->string() == "regression") return ProblemType::kRegression;
  if (value->string() == "single_label_classification") return ProblemType::kSingleLabel;
  if (value->string() == "multi_label_classification") return ProblemType::kMultiLabel;
  value->fail("found " + quote(value->string()) +
              ", expected regression, single_label_classification or multi_label_classification");
}

std::map<std::int64_t, std::vector<std::int64_t>> read_pruned_heads(json::Value config) {
  std::map<std::int64_t, std::vector<std::int64_t>> pruned;
  const auto value = config.find_non_null("pruned_heads");
  if (!value) return pruned;
  for (const json::Member m : value->members()) {
    std::vector<std::int64_t>& heads = pruned[label_id(m)];
    for (const json::Value head : m.value.elements()) heads.push_back(head.integer(0, kMaxHeads));
    std::sort(heads.begin(), heads.end());
    heads.erase(std::unique(heads.begin(), heads.end()), heads.end());
  }
  return pruned;
}

// model_type and head, from `architectures` where model_type is missing.
void read_architecture(json::Value config, CommonConfig& c) {
  c.model_type = read_string(config, "model_type", "");
  const auto architectures = config.find_non_null("architectures");
  if (!architectures || architectures->size() == 0) {
    if (c.model_type.empty()) config.fail("has neither model_type nor architectures");
    return;
  }
  const json::Value first = *architectures->elements().begin();
  const std::string_view architecture = first.string();
  for (const Family& family : kFamilies) {
    if (!architecture.starts_with(family.prefix)) continue;
    if (c.model_type.empty()) c.model_type = family.model_type;
    for (const Suffix& suffix : kSuffixes) {
      // An encoder's LMHeadModel is a decoder with a mask.
      if (suffix.head == HeadKind::kCausalLm && family.model_type != "gpt2") continue;
      if (architecture.substr(family.prefix.size()) == suffix.text) {
        c.head = suffix.head;
        return;
      }
    }
  }
  unsupported(first, "the architecture " + quote(architecture) + " is not supported");
}

}  // namespace

const char* name(HeadKind kind) {
  switch (kind) {
    case HeadKind::kBase:
      return "base";
    case HeadKind::kSequenceClassification:
      return "sequence-classification";
    case HeadKind::kMultipleChoice:
      return "multiple-choice";
    case HeadKind::kTokenClassification:
      return "token-classification";
    case HeadKind::kQuestionAnswering:
      return "question-answering";
    case HeadKind::kMaskedLm:
      return "masked-lm";
    case HeadKind::kNextSentence:
      return "next-sentence";
    case HeadKind::kPreTraining:
      return "pre-training";
    case HeadKind::kCausalLm:
      return "causal-lm";
  }
  return "";
}

std::string architecture(std::string_view model_type, HeadKind kind) {
  for (const Family& family : kFamilies) {
    if (family.model_type != model_type) continue;
    for (const Suffix& suffix : kSuffixes) {
      if (suffix.head == kind) return std::string(family.prefix) + std::string(suffix.text);
    }
  }
  return "";
}

std::int64_t read_integer(json::Value config, std::initializer_list<std::string_view> names,
                          std::int64_t otherwise, std::int64_t low, std::int64_t high) {
  std::optional<json::Value> found;
  for (const std::string_view name : names) {
    const auto value = config.find_non_null(name);
    if (!value) continue;
    if (found && found->integer() != value->integer()) {
      value->fail("found " + std::to_string(value->integer()) + ", but " +
                  std::string(*names.begin()) + " says " + std::to_string(found->integer()));
    }
    found = value;
  }
  return found ? found->integer(low, high) : otherwise;
}

double read_number(json::Value config, std::string_view name, double otherwise) {
  const auto value = config.find_non_null(name);
  return value ? value->number() : otherwise;
}

std::string read_string(json::Value config, std::string_view name, std::string_view otherwise) {
  const auto value = config.find_non_null(name);
  return std::string(value ? value->string() : otherwise);
}

bool read_boolean(json::Value config, std::string_view name, bool otherwise) {
  const auto value = config.find_non_null(name);
  return value ? value->boolean() : otherwise;
}

CommonConfig read_common_config(json::Value config) {
  refuse_foreign(config);
  CommonConfig c;
  read_architecture(config, c);
  c.labels = read_labels(config);
  c.problem_type = read_problem_type(config);
  c.pruned_heads = read_pruned_heads(config);
  c.pad_token_id = read_integer(config, {"pad_token_id"}, 0, 0, kMaxVocabulary);
  c.tie_word_embeddings = read_boolean(config, "tie_word_embeddings", true);
  return c;
}

}  // namespace linnet
