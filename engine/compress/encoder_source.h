#pragma once

#include <initializer_list>
#include <map>
#include <vector>

#include "engine/models/encoder_fields.h"
#include "engine/models/encoder_model.h"
#include "weights/name_map.h"

namespace linnet::compress {

/// The matrices of a loaded model as its checkpoint holds them, in floats.
class EncoderSource {
 public:
  /// The model must outlive this.
  explicit EncoderSource(const EncoderModel& model);

  /// These weights of a layer, one below the other: [sum of rows, K]. The pages of the file are
  /// given back.
  std::vector<float> matrix(std::initializer_list<EncoderField> fields,
                            std::int64_t layer = 0) const;

 private:
  const weights::Checkpoint& checkpoint_;
  std::map<std::pair<std::int32_t, std::int32_t>, const weights::TensorView*> tensors_;
};

}  // namespace linnet::compress
