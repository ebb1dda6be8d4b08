#include "weights/name_map.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet::weights {
namespace {

// True when the last components of `name` are `tail`.
bool ends_with_components(std::string_view name, std::string_view tail) {
  if (!name.ends_with(tail)) return false;
  return name.size() == tail.size() || name[name.size() - tail.size() - 1] == '.';
}

// LayerNorm.gamma and LayerNorm.beta are the first spelling of weight and bias.
std::string modern(std::string_view name) {
  std::string text(name);
  if (ends_with_components(name, "LayerNorm.gamma")) {
    text.replace(text.size() - 5, 5, "weight");
  } else if (ends_with_components(name, "LayerNorm.beta")) {
    text.replace(text.size() - 4, 4, "bias");
  }
  return text;
}

// Constants that frameworks store beside the weights.
bool is_buffer(const TensorView& tensor) {
  return ends_with_components(tensor.name, "position_ids") ||
         ends_with_components(tensor.name, "embeddings.token_type_ids") ||
         ends_with_components(tensor.name, "attn.masked_bias") ||
         (ends_with_components(tensor.name, "attn.bias") && tensor.shape.size() == 4);
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

// Finds the rule of a name.
class Rules {
 public:
  Rules(std::span<const TensorRule> rules, const NameSpelling& spelling, const std::string& prefix)
      : rules_(rules), spelling_(spelling), prefix_(prefix) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (!index_.emplace(rules[i].name, i).second) {
        throw Error(ErrorCode::kInvalidArgument, "two rules are named " + quote(rules[i].name));
      }
    }
    // "model.bert." wraps "bert.": heads may stand under "model.".
    const std::size_t dot = prefix.size() < 2 ? prefix.npos : prefix.rfind('.', prefix.size() - 2);
    if (dot != prefix.npos) wrapper_ = prefix.substr(0, dot + 1);
  }

  std::optional<std::size_t> find(std::string_view name) const {
    if (auto rule = find(name, Scope::kHead)) return rule;
    if (name.starts_with(wrapper_)) {
      if (auto rule = find(name.substr(wrapper_.size()), Scope::kHead)) return rule;
    }
    if (!name.starts_with(prefix_)) return std::nullopt;
    const std::string ours = base_name(name);
    if (auto rule = find(ours, Scope::kBase)) return rule;
    return find(ours, Scope::kHead);
  }
  // Without the base model's prefix, other spellings made ours.
  std::string base_name(std::string_view name) const {
    if (!name.starts_with(prefix_)) return std::string(name);
    name.remove_prefix(prefix_.size());
    for (const auto& [other, ours] : spelling_.aliases) {
      if (name.starts_with(other)) return ours + std::string(name.substr(other.size()));
    }
    return std::string(name);
  }
  std::optional<std::size_t> find(std::string_view name, Scope scope) const {
    const auto at = index_.find(name);
    if (at == index_.end() || rules_[at->second].scope != scope) return std::nullopt;
    return at->second;
  }

 private:
  std::span<const TensorRule> rules_;
  const NameSpelling& spelling_;
  const std::string& prefix_;
  std::string wrapper_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

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

// A tensor that no rule knows.
struct LeftOver {
  std::string original, base_name;
};

std::string missing_text(const TensorRule& rule, std::span<const LeftOver> left_over) {
  constexpr std::size_t kMostCompared = 500;  // a hostile file may have a million
  std::string text = "\n  " + rule.name + " " + shape_text(rule.shape);
  const std::string* nearest = nullptr;
  // Names of one layer share most of their letters: only a fifth may differ.
  std::size_t least = rule.name.size() / 5 + 1;
  for (const LeftOver& other : left_over.first(std::min(left_over.size(), kMostCompared))) {
    if (other.base_name.size() > 2 * rule.name.size()) continue;
    if (const std::size_t d = distance(rule.name, other.base_name); d < least) {
      least = d;
      nearest = &other.original;
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
  if (rule.dtype ? tensor.dtype != *rule.dtype : !is_float(tensor.dtype)) {
    fail(checkpoint, "tensor " + quote(tensor.name) + " is stored as " + name(tensor.dtype) +
                         ", expected " +
                         (rule.dtype ? name(*rule.dtype) : "F32, F16, BF16 or F64"));
  }
}

// Gives each tensor to its rule; returns those that have none.
std::vector<LeftOver> assign(const Checkpoint& checkpoint, const Names& names,
                             std::span<const TensorRule> table, const Rules& rules, NameMap& map) {
  std::vector<LeftOver> left_over;
  for (const auto& [modern_name, tensor] : names) {
    NameAccount entry{std::string(tensor->name), rules.base_name(modern_name), Fate::kUnexpected};
    if (const auto rule = rules.find(modern_name)) {
      const TensorView*& place = map.tensors[*rule];
      if (place != nullptr) {
        fail(checkpoint, "tensors " + quote(place->name) + " and " + quote(tensor->name) +
                             " are the same one in two spellings");
      }
      place = tensor;
      entry.name = table[*rule].name;
      entry.fate = table[*rule].presence == Presence::kUnused ? Fate::kUnused : Fate::kUsed;
      if (entry.fate == Fate::kUsed) check_tensor(checkpoint, table[*rule], *tensor);
    } else {
      left_over.push_back({entry.original, entry.name});
    }
    map.account.push_back(std::move(entry));
  }
  return left_over;
}

bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype &&
         std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

void find_ties(std::span<const TensorRule> table, const Rules& rules, NameMap& map) {
  map.ties.assign(table.size(), Tie::kNone);
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].tied_to.empty() || table[i].presence == Presence::kUnused) continue;
    auto other = rules.find(table[i].tied_to, Scope::kBase);
    if (!other) other = rules.find(table[i].tied_to, Scope::kHead);
    if (!other || map.tensors[*other] == nullptr) continue;
    if (map.tensors[i] == nullptr) {
      map.ties[i] = Tie::kStandsIn;
    } else if (same_bytes(*map.tensors[i], *map.tensors[*other])) {
      map.ties[i] = Tie::kEqual;
    } else {
      map.ties[i] = Tie::kDifferent;
      map.warnings.push_back("tensor " + quote(map.tensors[i]->name) + " differs from " +
                             quote(map.tensors[*other]->name) +
                             ", to which it is usually tied: both are kept");
    }
  }
}

void refuse_missing(const Checkpoint& checkpoint, std::span<const TensorRule> table,
                    std::span<const LeftOver> left_over, const NameMap& map) {
  std::string missing;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const bool absent = map.tensors[i] == nullptr && map.ties[i] == Tie::kNone;
    if (absent && table[i].presence == Presence::kRequired) {
      missing += missing_text(table[i], left_over);
    }
  }
  if (!missing.empty()) fail(checkpoint, "these tensors are missing:" + missing);
}

void report_left_over(const Checkpoint& checkpoint, std::span<const LeftOver> left_over,
                      Unexpected unexpected, NameMap& map) {
  constexpr std::size_t kMostListed = 100;
  std::string all;
  const auto listed = left_over.first(std::min(left_over.size(), kMostListed));
  for (const LeftOver& tensor : listed) {
    all += "\n  " + quote(tensor.original);
    map.warnings.push_back("tensor " + quote(tensor.original) +
                           " belongs to nothing in this model");
  }
  if (left_over.size() > kMostListed) {
    const std::string rest = std::to_string(left_over.size() - kMostListed) + " more tensors";
    all += "\n  and " + rest;
    map.warnings.push_back(rest + " belong to nothing in this model");
  }
  if (!left_over.empty() && unexpected == Unexpected::kRefuse) {
    fail(checkpoint, "these tensors belong to nothing in this model:" + all);
  }
}

}  // namespace

NameMap map_names(const Checkpoint& checkpoint, std::span<const TensorRule> rules,
                  const NameSpelling& spelling, Unexpected unexpected) {
  NameMap map;
  const Names names = modern_names(checkpoint, map.account);
  map.prefix = find_prefix(checkpoint, names, rules, spelling);
  map.tensors.assign(rules.size(), nullptr);
  const Rules lookup(rules, spelling, map.prefix);
  const std::vector<LeftOver> left_over = assign(checkpoint, names, rules, lookup, map);
  std::sort(map.account.begin(), map.account.end(),
            [](const NameAccount& a, const NameAccount& b) { return a.original < b.original; });
  find_ties(rules, lookup, map);
  refuse_missing(checkpoint, rules, left_over, map);
  report_left_over(checkpoint, left_over, unexpected, map);
  return map;
}

void warn_of_rounding(NameMap& map) {
  const auto rounded = std::count_if(
      map.tensors.begin(), map.tensors.end(),
      [](const TensorView* tensor) { return tensor != nullptr && tensor->dtype == DType::kF64; });
  if (rounded > 0) {
    map.warnings.push_back(std::to_string(rounded) + " tensors are F64 and get rounded to F32");
  }
}

}  // namespace linnet::weights
