#include "weights/name_map.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet::weights {
namespace {

bool replace_suffix(std::string& text, std::string_view from, std::string_view to) {
  if (!text.ends_with(from)) return false;
  text.replace(text.size() - from.size(), from.size(), to);
  return true;
}

// LayerNorm.gamma and LayerNorm.beta are the first spelling of weight and bias.
std::string modern(std::string_view name) {
  std::string text(name);
  if (!replace_suffix(text, "LayerNorm.gamma", "LayerNorm.weight")) {
    replace_suffix(text, "LayerNorm.beta", "LayerNorm.bias");
  }
  return text;
}

// Constants that frameworks store beside the weights.
bool is_buffer(const TensorView& tensor) {
  const std::string_view name = tensor.name;
  return name.ends_with("position_ids") || name.ends_with("embeddings.token_type_ids") ||
         name.ends_with(".attn.masked_bias") ||
         (name.ends_with(".attn.bias") && tensor.shape.size() == 4);
}

[[noreturn]] void fail(const Checkpoint& checkpoint, const std::string& what) {
  throw Error(ErrorCode::kFormat, checkpoint.directory().name() + ": " + what);
}

using Names = std::map<std::string, const TensorView*, std::less<>>;

Names modern_names(const Checkpoint& checkpoint, std::vector<NameAccount>& account) {
  Names names;
  for (const TensorView& tensor : checkpoint.tensors()) {
    if (is_buffer(tensor)) {
      account.push_back({std::string(tensor.name), std::string(tensor.name), Fate::kBuffer});
      continue;
    }
    const auto [at, fresh] = names.emplace(modern(tensor.name), &tensor);
    if (!fresh) {
      fail(checkpoint, "tensors " + quote(at->second->name) + " and " + quote(tensor.name) +
                           " are the same one in two spellings");
    }
  }
  return names;
}

// The prefix under which the anchor stands; without an anchor the one under which most rules are
// found.
std::string find_prefix(const Checkpoint& checkpoint, const Names& names,
                        std::span<const TensorRule> rules, const NameSpelling& spelling) {
  std::vector<std::string> found;
  for (const std::string& prefix : spelling.prefixes) {
    if (names.contains(prefix + spelling.anchor)) found.push_back(prefix);
  }
  if (found.size() > 1) {
    fail(checkpoint, "tensor " + quote(spelling.anchor) + " stands there under two prefixes, " +
                         quote(found[0]) + " and " + quote(found[1]));
  }
  if (found.size() == 1) return found[0];
  std::string best = spelling.prefixes.front();
  std::int64_t most = 0;
  for (const std::string& prefix : spelling.prefixes) {
    const auto hits = std::count_if(rules.begin(), rules.end(), [&](const TensorRule& rule) {
      return rule.scope == Scope::kBase && names.contains(prefix + rule.name);
    });
    if (hits > most) {
      most = hits;
      best = prefix;
    }
  }
  return best;
}

// Our name of a tensor: the base prefix taken off, other spellings made ours.
std::string our_name(const std::string& modern_name, const std::string& prefix,
                     const NameSpelling& spelling) {
  if (!modern_name.starts_with(prefix)) return modern_name;
  std::string name = modern_name.substr(prefix.size());
  for (const auto& [other, ours] : spelling.aliases) {
    if (name.starts_with(other)) return ours + name.substr(other.size());
  }
  return name;
}

// Levenshtein distance, for "nearest name found".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

std::string missing_text(const TensorRule& rule, std::span<const std::string> left_over) {
  std::string text = "\n  " + rule.name + " " + shape_text(rule.shape);
  const std::string* nearest = nullptr;
  std::size_t least = rule.name.size() / 3 + 1;
  for (const std::string& name : left_over) {
    if (name.size() > 4 * rule.name.size()) continue;
    if (const std::size_t d = distance(rule.name, name); d < least) {
      least = d;
      nearest = &name;
    }
  }
  if (nearest != nullptr) text += ", nearest name found: " + quote(*nearest);
  return text;
}

void check_tensor(const Checkpoint& checkpoint, const TensorRule& rule, const TensorView& tensor) {
  if (!std::equal(rule.shape.begin(), rule.shape.end(), tensor.shape.begin(), tensor.shape.end())) {
    fail(checkpoint, "tensor " + quote(tensor.name) + " has shape " + shape_text(tensor.shape) +
                         ", expected " + shape_text(rule.shape));
  }
  if (!is_float(tensor.dtype)) {
    fail(checkpoint, "tensor " + quote(tensor.name) + " is stored as " + name(tensor.dtype) +
                         ", expected F32, F16, BF16 or F64");
  }
}

}  // namespace

NameMap map_names(const Checkpoint& checkpoint, std::span<const TensorRule> rules,
                  const NameSpelling& spelling, Unexpected unexpected) {
  NameMap map;
  const Names names = modern_names(checkpoint, map.account);
  map.prefix = find_prefix(checkpoint, names, rules, spelling);

  std::unordered_map<std::string_view, std::size_t> rule_of;
  for (std::size_t i = 0; i < rules.size(); ++i) rule_of.emplace(rules[i].name, i);
  map.tensors.assign(rules.size(), nullptr);
  std::vector<std::string> left_over;
  for (const auto& [modern_name, tensor] : names) {
    const std::string ours = our_name(modern_name, map.prefix, spelling);
    // A head is named without the base prefix, and some files have no base prefix at all.
    auto rule = rule_of.find(modern_name);
    if (rule == rule_of.end() || rules[rule->second].scope == Scope::kBase)
      rule = rule_of.find(ours);
    NameAccount entry{std::string(tensor->name), ours, Fate::kUnexpected};
    if (rule != rule_of.end()) {
      const TensorRule& found = rules[rule->second];
      entry.name = found.name;
      entry.fate = found.presence == Presence::kUnused ? Fate::kUnused : Fate::kUsed;
      if (map.tensors[rule->second] != nullptr) {
        fail(checkpoint, "tensors " + quote(map.tensors[rule->second]->name) + " and " +
                             quote(tensor->name) + " are the same one in two spellings");
      }
      map.tensors[rule->second] = tensor;
      if (entry.fate == Fate::kUsed) check_tensor(checkpoint, found, *tensor);
    } else {
      left_over.push_back(ours);
    }
    map.account.push_back(std::move(entry));
  }
  std::sort(map.account.begin(), map.account.end(),
            [](const NameAccount& a, const NameAccount& b) { return a.original < b.original; });

  std::string missing;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (map.tensors[i] == nullptr && rules[i].presence == Presence::kRequired) {
      missing += missing_text(rules[i], left_over);
    }
  }
  if (!missing.empty()) fail(checkpoint, "these tensors are missing:" + missing);
  for (const std::string& name : left_over) {
    const std::string what = "tensor " + quote(name) + " belongs to nothing in this model";
    if (unexpected == Unexpected::kRefuse) fail(checkpoint, what);
    map.warnings.push_back(what);
  }
  return map;
}

}  // namespace linnet::weights
