#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/models/common_config.h"
#include "engine/models/pack_linear.h"
#include "weights/name_map.h"

// What encoders and decoders have in common before a weight is read.
namespace linnet {

/// A parameter in the name table of a family: an EncoderField or a Gpt2Field.
struct FieldId {
  std::int32_t value = -1;  // none

  FieldId() = default;
  template <class Field>
  requires std::is_enum_v<Field> FieldId(Field field) : value(static_cast<std::int32_t>(field)) {}
  auto operator<=>(const FieldId&) const = default;

  FieldId next(std::int32_t n) const {
    FieldId other;
    other.value = value + n;
    return other;
  }
};

/// Where a weight has a bias, the bias is the next value.
inline FieldId bias_of(FieldId weight) { return weight.next(1); }
/// The fields of a packed layer follow its weights.
inline FieldId scale_of(FieldId packed) { return packed.next(1); }
inline FieldId factors_of(FieldId packed) { return packed.next(2); }

enum class Bias { kNone, kAdded };

/// A kind of linear layer that may be in INT8: what it is, and the weights of the checkpoint that
/// it is made of, one below the other.
struct UnitKind {
  FieldId packed;
  std::vector<FieldId> weights;
  Bias bias = Bias::kAdded;
};

/// What config.json says about a model of any family, and the name table that goes with it.
struct ModelDescription {
  CommonConfig common;
  HeadKind head = HeadKind::kBase;
  std::int64_t vocab_size = 0, positions = 0;  // rows of the tables
  std::int64_t layers = 0, width = 0;          // of the residual stream
  std::vector<weights::TensorRule> rules;
  weights::NameSpelling spelling;

  std::vector<UnitKind> layer_units;  // of each layer, in the order in which they are computed
  FieldId words, words_scale;         // [V, width] and, of rows in INT8, their scales
  /// Where the vocabulary product may have the word embeddings for its weights: these packed, and
  /// its own weights packed.
  std::optional<UnitKind> tied_unit{}, vocabulary_unit{};
  bool tied = false;  // it has; false without such a product

  /// The layers that are in INT8 in the file, by LinearUnit::packed and LinearUnit::layer.
  std::map<std::pair<FieldId, std::int64_t>, PackedLayer> packed = {};
  bool packed_words = false;  // the word embeddings, as rows

  bool is_quantized() const { return packed_words || !packed.empty(); }
  bool is_packed(FieldId unit, std::int64_t layer = 0) const {
    return packed.contains({unit, layer});
  }
  /// The kind of this name, one of those above.
  const UnitKind& unit(FieldId name) const;
};

/// What config.json says about a model of the family that it names. Throws as describe_encoder()
/// and describe_gpt2().
ModelDescription describe_model(json::Value config, std::optional<HeadKind> head = std::nullopt);

}  // namespace linnet
