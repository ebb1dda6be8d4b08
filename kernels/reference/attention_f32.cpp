#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

// One query after the other, its scores in the scratch memory.
namespace linnet::kernels::reference {

std::int64_t attention_f32_scratch_floats(std::int64_t keys, std::int64_t) noexcept { return keys; }

void attention_f32(const AttentionF32Args& a) noexcept {
  float* s = a.scratch;
  const std::int64_t ld_kv = a.ld_kv != 0 ? a.ld_kv : a.ld_qkv;
  const auto key = [&](std::int64_t j, std::int64_t d) {
    if (!a.k_in_panels) return a.k[j * ld_kv + d];
    return a.k[(j / kKeyPanel * a.head_width + d) * kKeyPanel + j % kKeyPanel];
  };
  for (std::int64_t i = a.query_begin; i < a.query_end; ++i) {
    const std::int64_t keys = a.causal ? i + 1 : a.keys;
    float max = -__builtin_inff();
    for (std::int64_t j = 0; j < keys; ++j) {
      float chain = 0;
      for (std::int64_t d = 0; d < a.head_width; ++d) {
        chain = Scalar::fma(a.q[i * a.ld_qkv + d], key(j, d), chain);
      }
      s[j] = chain * a.scale;
      max = Scalar::max(max, s[j]);
    }
    Partials sum;
    for (std::int64_t j = 0; j < keys; ++j) {
      s[j] = exp_of<Scalar>(s[j] - max);
      sum.p[j % 16] += s[j];
    }
    const float inverse = 1.0f / sum.sum();
    float* y = a.y + i * a.ldy;
    for (std::int64_t d = 0; d < a.head_width; ++d) y[d] = 0;
    for (std::int64_t j = 0; j < keys; ++j) {
      for (std::int64_t d = 0; d < a.head_width; ++d) {
        y[d] = Scalar::fma(s[j], a.v[j * ld_kv + d], y[d]);
      }
    }
    for (std::int64_t d = 0; d < a.head_width; ++d) y[d] *= inverse;
  }
}

}  // namespace linnet::kernels::reference
