#include "engine/compress/random_sequences.h"

#include <algorithm>
#include <string>

#include "weights/base/error.h"

namespace linnet::compress {
namespace {

// SplitMix64 of a counter. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}

  // Uniform in [0, n), n < 2^32: the upper half of a product; the bias is below n / 2^32.
  std::uint64_t below(std::uint64_t n) {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return ((z >> 32) * n) >> 32;
  }

 private:
  std::uint64_t state_;
};

constexpr std::uint64_t kShortest = 6, kLongest = 49;

}  // namespace

Sequences random_sequences(const RandomIds& ids, std::int64_t count, std::uint64_t seed) {
  if (ids.ordinary.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "random sequences: no ids to take them from");
  }
  if (ids.positions < 3) {
    throw Error(ErrorCode::kInvalidArgument, "random sequences: a model with " +
                                                 std::to_string(ids.positions) +
                                                 " positions, expected at least 3");
  }
  const std::uint64_t longest = std::min(kLongest, static_cast<std::uint64_t>(ids.positions - 2));
  const std::uint64_t shortest = std::min(kShortest, longest);
  Numbers numbers(seed);
  Sequences sequences;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t length = shortest + numbers.below(longest - shortest + 1);
    sequences.tokens.push_back(ids.cls);
    for (std::uint64_t t = 0; t < length; ++t) {
      sequences.tokens.push_back(ids.ordinary[numbers.below(ids.ordinary.size())]);
    }
    sequences.tokens.push_back(ids.sep);
    for (std::uint64_t t = 0; t < length + 2; ++t) {
      sequences.positions.push_back(static_cast<std::int32_t>(t));
    }
    sequences.starts.push_back(static_cast<std::int64_t>(sequences.tokens.size()));
  }
  return sequences;
}

}  // namespace linnet::compress
