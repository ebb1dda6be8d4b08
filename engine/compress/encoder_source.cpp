#include "engine/compress/encoder_source.h"

#include <cstddef>

#include "weights/number_formats.h"

namespace linnet::compress {

EncoderSource::EncoderSource(const EncoderModel& model) : checkpoint_(model.checkpoint) {
  const EncoderDescription d = describe_encoder(checkpoint_.config(), model.head_kind);
  const weights::NameMap map = weights::map_names(checkpoint_, d.rules, d.spelling);
  for (std::size_t i = 0; i < d.rules.size(); ++i) {
    if (map.tensors[i] != nullptr) {
      tensors_[{d.rules[i].field, d.rules[i].layer}] = map.tensors[i];
    }
  }
}

std::vector<float> EncoderSource::matrix(std::initializer_list<EncoderField> fields,
                                         std::int64_t layer) const {
  std::vector<float> rows;
  for (const EncoderField field : fields) {
    const weights::TensorView& tensor =
        *tensors_.at({static_cast<std::int32_t>(field), static_cast<std::int32_t>(layer)});
    const std::size_t begin = rows.size();
    rows.resize(begin + static_cast<std::size_t>(tensor.elements()));
    weights::to_f32(rows.data() + begin, tensor.bytes.data(), tensor.dtype, tensor.elements());
    checkpoint_.release(tensor);
  }
  return rows;
}

}  // namespace linnet::compress
