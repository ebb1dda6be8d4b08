#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {

void embed_rows(const EmbedRowsArgs& a) noexcept {
  for (std::int64_t m = 0; m < a.M; ++m) {
    float* y = a.y + m * a.ldy;
    const std::int64_t word = a.tokens[m] * a.ld_word;
    const std::int64_t type = a.types != nullptr ? a.types[m] * a.ld_type : 0;
    const std::int64_t position = a.positions[m] * a.ld_position;
    for (std::int64_t d = 0; d < a.D; ++d) {
      float x = a.word != nullptr
                    ? a.word[word + d]
                    : static_cast<float>(a.word_s8[word + d]) * a.word_scale[a.tokens[m]];
      if (a.type != nullptr) x = x + a.type[type + d];
      y[d] = x + a.position[position + d];
    }
  }
}

}  // namespace linnet::kernels::reference
