#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/models/encoder_fields.h"
#include "weights/name_map.h"

namespace linnet {

/// Builds the name table of an encoder, one call a parameter. The `_if` forms add a tensor of a
/// head: needed when the condition holds, known but unused otherwise.
class TensorTable {
 public:
  void matrix(EncoderField field, std::string_view name, std::vector<std::int64_t> shape,
              weights::Presence presence = weights::Presence::kRequired) {
    add(field, std::string(name), std::move(shape), presence, true);
  }
  /// NAME.weight [N, K] and NAME.bias [N].
  void linear(EncoderField field, std::string_view name, std::int64_t N, std::int64_t K) {
    linear_if(true, field, name, N, K);
  }
  /// NAME.weight and NAME.bias, [D] each; no weight decay.
  void layer_norm(EncoderField field, std::string_view name, std::int64_t D) {
    layer_norm_if(true, field, name, D);
  }

  void linear_if(bool needed, EncoderField field, std::string_view name, std::int64_t N,
                 std::int64_t K, bool optional = false) {
    const weights::Presence presence =
        optional && needed ? weights::Presence::kOptional : when(needed);
    add(field, std::string(name) + ".weight", {N, K}, presence, true);
    add(bias_of(field), std::string(name) + ".bias", {N}, presence, false);
  }
  void layer_norm_if(bool needed, EncoderField field, std::string_view name, std::int64_t D) {
    add(field, std::string(name) + ".weight", {D}, when(needed), false);
    add(bias_of(field), std::string(name) + ".bias", {D}, when(needed), false);
  }
  void vector_if(bool needed, EncoderField field, std::string_view name, std::int64_t n) {
    add(field, std::string(name), {n}, when(needed), false);
  }
  void optional_vector_if(bool needed, EncoderField field, std::string_view name, std::int64_t n) {
    add(field, std::string(name), {n},
        needed ? weights::Presence::kOptional : weights::Presence::kUnused, false);
  }
  void tied_matrix_if(bool needed, EncoderField field, std::string_view name,
                      std::vector<std::int64_t> shape, std::string_view tied_to) {
    add(field, std::string(name), std::move(shape),
        needed ? weights::Presence::kOptional : weights::Presence::kUnused, true);
    rules_.back().tied_to = tied_to;
  }

  /// The following names stand under `prefix` and belong to layer i.
  void begin_layer(std::int64_t i, std::string prefix) {
    layer_ = static_cast<std::int32_t>(i);
    layer_prefix_ = std::move(prefix);
  }
  void end_layers() { begin_layer(0, ""); }
  /// The following names never carry the base model's prefix.
  void begin_head() { scope_ = weights::Scope::kHead; }

  std::vector<weights::TensorRule> rules() && { return std::move(rules_); }

 private:
  static weights::Presence when(bool needed) {
    return needed ? weights::Presence::kRequired : weights::Presence::kUnused;
  }
  void add(EncoderField field, std::string name, std::vector<std::int64_t> shape,
           weights::Presence presence, bool decay) {
    weights::TensorRule rule;
    rule.name = layer_prefix_ + std::move(name);
    rule.shape = std::move(shape);
    rule.presence = presence;
    rule.scope = scope_;
    rule.decay = decay;
    rule.field = static_cast<std::int32_t>(field);
    rule.layer = layer_;
    rules_.push_back(std::move(rule));
  }

  std::vector<weights::TensorRule> rules_;
  weights::Scope scope_ = weights::Scope::kBase;
  std::int32_t layer_ = 0;
  std::string layer_prefix_;
};

}  // namespace linnet
