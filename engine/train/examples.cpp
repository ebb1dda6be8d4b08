#include "engine/train/examples.h"

#include <algorithm>
#include <numeric>

#include "engine/core/random.h"

namespace linnet::train {
namespace {

// Appends elements [begin, begin + n) of `from`, if it has any at all.
template <class T>
void append(std::vector<T>& to, const std::vector<T>& from, std::int64_t begin, std::int64_t n) {
  if (from.empty()) return;
  to.insert(to.end(), from.begin() + begin, from.begin() + begin + n);
}

}  // namespace

std::int64_t Examples::longest() const {
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < size(); ++i) longest = std::max(longest, length(i));
  return longest;
}

void ExampleBatch::clear() {
  for (auto* ids : {&tokens_, &positions_, &types_}) ids->clear();
  for (auto* labels : {&labels_, &span_starts_, &span_ends_}) labels->clear();
  values_.clear();
  samples_.clear();
  starts_.assign(1, 0);
}

void ExampleBatch::add(const Examples& examples, std::int64_t example, std::int64_t sample,
                       std::int64_t epoch) {
  const std::int64_t begin = examples.starts[static_cast<std::size_t>(example)];
  const std::int64_t n = examples.length(example);
  append(tokens_, examples.tokens, begin, n);
  append(types_, examples.types, begin, n);
  append(labels_, examples.token_labels, begin, n);
  append(labels_, examples.labels, example, 1);
  append(span_starts_, examples.span_starts, example, 1);
  append(span_ends_, examples.span_ends, example, 1);
  const std::int64_t values = static_cast<std::int64_t>(examples.values.size()) / examples.size();
  append(values_, examples.values, example * values, values);
  for (std::int64_t t = 0; t < n; ++t) positions_.push_back(static_cast<std::int32_t>(t));
  starts_.push_back(starts_.back() + n);
  samples_.push_back(static_cast<std::uint32_t>(sample));
  if (!examples.masking) return;
  const auto from = static_cast<std::size_t>(starts_.back() - n);
  labels_.resize(tokens_.size());
  mask(*examples.masking, {static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(example)},
       std::span(tokens_).subspan(from), std::span(labels_).subspan(from));
}

TrainingTargets ExampleBatch::targets() const {
  TrainingTargets targets;
  targets.labels = labels_;
  targets.values = values_;
  targets.spans = {span_starts_, span_ends_};
  return targets;
}

// Fisher and Yates with counter-based numbers.
std::vector<std::int64_t> shuffled(std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const std::uint32_t stream = random_stream(RandomPurpose::kShuffle, 0, 0);
  for (std::size_t i = order.size() - 1; i > 0; --i) {
    const auto words =
        philox({static_cast<std::uint32_t>(i), 0, static_cast<std::uint32_t>(epoch), stream}, seed);
    const std::uint64_t wide = std::uint64_t{words[0]} << 32 | words[1];
    std::swap(order[i], order[static_cast<std::size_t>(wide % (i + 1))]);
  }
  return order;
}

void group_by_length(std::vector<std::int64_t>& order, const Examples& examples,
                     std::int64_t examples_per_step) {
  const auto n = static_cast<std::int64_t>(order.size());
  const std::int64_t steps = std::clamp<std::int64_t>(n / (4 * examples_per_step), 1, 50);
  const std::int64_t part = std::min(n, steps * examples_per_step);
  std::int64_t first = 0;  // of the part with the longest example
  for (std::int64_t begin = 0; begin < n; begin += part) {
    std::stable_sort(
        order.begin() + begin, order.begin() + std::min(n, begin + part),
        [&](std::int64_t a, std::int64_t b) { return examples.length(a) > examples.length(b); });
    const auto longest = [&](std::int64_t at) {
      return examples.length(order[static_cast<std::size_t>(at)]);
    };
    if (longest(begin) > longest(first)) first = begin;
  }
  // The longest of all comes first: what needs the most memory is seen at once.
  std::swap(order[0], order[static_cast<std::size_t>(first)]);
}

}  // namespace linnet::train
