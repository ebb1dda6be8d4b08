#include "engine/models/read_parameters.h"

#include <algorithm>
#include <cmath>

#include "engine/core/math.h"
#include "engine/core/random.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet {
namespace {

void read(const weights::Checkpoint& checkpoint, float* to, const weights::TensorView& tensor) {
  const std::int64_t bad =
      weights::first_not_finite(tensor.bytes.data(), tensor.dtype, tensor.elements());
  if (bad >= 0) {
    throw Error(ErrorCode::kNumeric, checkpoint.directory().name() + ": tensor " +
                                         quote(tensor.name) + ": element " + std::to_string(bad) +
                                         " is not finite");
  }
  weights::to_f32(to, tensor.bytes.data(), tensor.dtype, tensor.elements());
  checkpoint.release(tensor);
}

// N(0, deviation²) by Box and Muller's transform of counter-based numbers.
void fill_normal(float* to, std::int64_t n, double deviation, std::uint64_t seed,
                 std::uint32_t tensor) {
  constexpr double kTwoPi = 6.283185307179586;
  const std::uint32_t stream = random_stream(RandomPurpose::kInitialisation, 0, 0);
  for (std::int64_t i = 0; i < n; i += 2) {
    const auto words = philox({static_cast<std::uint32_t>(i / 2), tensor, 0, stream}, seed);
    const double u = (static_cast<double>(words[0]) + 1) * 0x1p-32;  // in (0, 1]
    const double radius = deviation * std::sqrt(-2 * math::log(u));
    const double angle = kTwoPi * (static_cast<double>(words[1]) * 0x1p-32);
    to[i] = static_cast<float>(radius * math::cos(angle));
    if (i + 1 < n) to[i + 1] = static_cast<float>(radius * math::sin(angle));
  }
}

}  // namespace

weights::NameMap map_parameters(const weights::Checkpoint& checkpoint,
                                std::span<const weights::TensorRule> rules,
                                const weights::NameSpelling& spelling,
                                weights::Unexpected unexpected, Start start) {
  if (start == Start::kCheckpoint) {
    return weights::map_names(checkpoint, rules, spelling, unexpected);
  }
  weights::NameMap map;
  map.tensors.resize(rules.size());
  for (const weights::TensorRule& rule : rules) {
    map.ties.push_back(rule.tied_to.empty() ? weights::Tie::kNone : weights::Tie::kStandsIn);
  }
  return map;
}

void read_parameters(TrainableModel& model, const weights::Checkpoint& checkpoint,
                     std::span<const weights::TensorRule> rules, const weights::NameMap& map,
                     const std::string& prefix, std::span<const ParameterPlace> places,
                     std::uint64_t seed) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const weights::TensorRule& rule = rules[i];
    const ParameterPlace& place = places[i];
    if (place.to == nullptr) continue;
    NamedParameter named;
    named.canonical = (rule.scope == weights::Scope::kBase ? prefix : std::string()) + rule.name;
    named.name = map.tensors[i] != nullptr ? std::string(map.tensors[i]->name) : named.canonical;
    named.shape = rule.shape;
    named.decay = rule.decay;
    named.layer = place.layer;
    named.offset = place.to - model.floats();
    const auto is_same = [&](const NamedParameter& p) { return p.offset == named.offset; };
    if (std::any_of(model.tensors.begin(), model.tensors.end(), is_same)) continue;
    if (map.tensors[i] != nullptr) {
      read(checkpoint, place.to, *map.tensors[i]);
    } else if (place.may_be_new) {
      model.warnings.push_back("tensor " + quote(rule.name) + " is new");
      std::fill_n(place.to, named.elements(), place.constant);
      if (place.deviation > 0) {
        fill_normal(place.to, named.elements(), place.deviation, seed,
                    static_cast<std::uint32_t>(i));
      }
    } else {
      throw Error(ErrorCode::kFormat,
                  checkpoint.directory().name() + ": tensor " + quote(rule.name) + " is missing");
    }
    model.tensors.push_back(std::move(named));
  }
}

}  // namespace linnet
