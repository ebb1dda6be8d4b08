#include "tools/bench/lists.h"

#include <algorithm>
#include <charconv>

#include "tools/bench/model_bench.h"
#include "tools/bench/onednn_layer.h"
#include "tools/bench/openblas.h"
#include "tools/cli/exit_code.h"
#include "weights/base/text.h"

namespace linnet::bench {
namespace {

constexpr std::int64_t kLargest = 1 << 20;  // of N and K

[[noreturn]] void refuse(const cli::Option& option, std::string_view word,
                         const std::string& expected) {
  throw cli::UsageError("--" + std::string(option.name) + ": found " + quote(word) + ", expected " +
                        expected);
}

bool parse(std::string_view word, std::int64_t low, std::int64_t high, std::int64_t& value) {
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, value);
  return error == std::errc() && stop == end && value >= low && value <= high;
}

}  // namespace

std::vector<std::string> words(const cli::Option& option, std::string_view list) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t comma = std::min(list.find(',', begin), list.size());
    if (comma == begin) refuse(option, list, "values with commas between them");
    out.emplace_back(list.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return out;
}

std::vector<std::int64_t> integers(const cli::Option& option, std::string_view list,
                                   std::int64_t low, std::int64_t high) {
  std::vector<std::int64_t> out;
  for (const std::string& word : words(option, list)) {
    std::int64_t value = 0;
    if (!parse(word, low, high, value)) {
      refuse(option, word, "integers from " + std::to_string(low) + " to " + std::to_string(high));
    }
    out.push_back(value);
  }
  return out;
}

std::vector<Product> products(const cli::Option& option, std::string_view list) {
  std::vector<Product> out;
  const auto add = [&out](const Product& p) {
    const auto same = [&p](const Product& q) { return q.N == p.N && q.K == p.K; };
    if (std::none_of(out.begin(), out.end(), same)) out.push_back(p);
  };
  for (const std::string& word : words(option, list)) {
    const auto* named = std::find_if(kNamedProducts.begin(), kNamedProducts.end(),
                                     [&](const NamedProducts& n) { return n.name == word; });
    if (named != kNamedProducts.end()) {
      for (const Product& p : named->products) add(p);
      continue;
    }
    const std::string_view text = word;
    const std::size_t x = std::min(text.find('x'), text.size());
    Product p = {};
    if (x == text.size() || !parse(text.substr(0, x), 1, kLargest, p.N) ||
        !parse(text.substr(x + 1), 1, kLargest, p.K)) {
      std::string names;
      for (const NamedProducts& n : kNamedProducts) names += ", " + std::string(n.name);
      refuse(option, word, "NxK" + names);
    }
    add(p);
  }
  return out;
}

std::vector<Precision> precisions(const cli::Option& option, std::string_view list) {
  constexpr Precision kOthers[] = {Precision::kBfloat16, Precision::kInt8};
  std::vector<Precision> out = {Precision::kFloat32};
  for (const std::string& word : words(option, list)) {
    if (word == name(Precision::kFloat32)) continue;
    const auto* other = std::find_if(std::begin(kOthers), std::end(kOthers),
                                     [&](Precision p) { return word == name(p); });
    if (other == std::end(kOthers)) refuse(option, word, "fp32, bf16 or int8");
    if (std::find(out.begin(), out.end(), *other) == out.end()) out.push_back(*other);
  }
  return out;
}

std::vector<const OpponentLibrary*> libraries(const cli::Option& option, std::string_view list) {
  std::vector<const OpponentLibrary*> out;
  for (const std::string& word : words(option, list)) {
    if (word == kOneDnnLayers.name) {
      out.push_back(&kOneDnnLayers);
    } else if (word == kOpenBlas.name) {
      out.push_back(&kOpenBlas);
    } else {
      refuse(option, word, "onednn or openblas");
    }
  }
  return out;
}

std::vector<NumberType> number_types(const cli::Option& option, std::string_view list) {
  constexpr NumberType kTypes[] = {NumberType::kF32, NumberType::kS8, NumberType::kBf16};
  std::vector<NumberType> out;
  for (const std::string& word : words(option, list)) {
    const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                    [&](NumberType t) { return word == name(t); });
    if (type == std::end(kTypes)) refuse(option, word, "f32, s8 or bf16");
    out.push_back(*type);
  }
  return out;
}

}  // namespace linnet::bench
