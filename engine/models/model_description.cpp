#include "engine/models/model_description.h"

#include <algorithm>

#include "engine/models/encoder_model.h"
#include "engine/models/gpt2_model.h"

namespace linnet {

const UnitKind& ModelDescription::unit(FieldId name) const {
  if (tied_unit && tied_unit->packed == name) return *tied_unit;
  if (vocabulary_unit && vocabulary_unit->packed == name) return *vocabulary_unit;
  return *std::find_if(layer_units.begin(), layer_units.end(),
                       [&](const UnitKind& kind) { return kind.packed == name; });
}

ModelDescription describe_model(json::Value config, std::optional<HeadKind> head) {
  // What a family knows beyond this is left behind.
  if (is_gpt2(config)) return describe_gpt2(config, head);
  return describe_encoder(config, head);
}

}  // namespace linnet
