#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

// One query after the other; keys and values are quantised once.
namespace linnet::kernels::reference {
namespace {

/// The parts of the scratch memory.
struct Scratch {
  float *k_scale, *v_scale, *p;  // [keys]
  std::int8_t *k, *v;            // [keys, head_width]
  std::int8_t* q;                // [head_width]
};

Scratch place(const AttentionS8Args& a) {
  Scratch s = {};
  s.k_scale = a.scratch;
  s.v_scale = s.k_scale + a.keys;
  s.p = s.v_scale + a.keys;
  s.k = reinterpret_cast<std::int8_t*>(s.p + a.keys);
  s.v = s.k + a.keys * a.head_width;
  s.q = s.v + a.keys * a.head_width;
  return s;
}

/// Quantises one row and returns its scale.
float quantize(std::int8_t* q, const float* x, std::int64_t width) {
  const RowScale s = row_scale(__builtin_bit_cast(float, greatest(x, width)));
  for (std::int64_t d = 0; d < width; ++d) {
    q[d] = static_cast<std::int8_t>(quantized<Scalar>(x[d], s.inverse) - kRoundingMagic);
  }
  return s.scale;
}

/// s.p[j] = the score of every key that query i sees; returns the greatest.
float scores(const AttentionS8Args& a, const Scratch& s, std::int64_t i, std::int64_t visible) {
  const float row = quantize(s.q, a.q + i * a.ld_qkv, a.head_width) * a.scale;
  float max = -__builtin_inff();
  for (std::int64_t j = 0; j < visible; ++j) {
    std::int32_t sum = 0;
    for (std::int64_t d = 0; d < a.head_width; ++d) sum += s.q[d] * s.k[j * a.head_width + d];
    s.p[j] = static_cast<float>(sum) * row * s.k_scale[j];
    max = Scalar::max(max, s.p[j]);
  }
  return max;
}

void attend(const AttentionS8Args& a, const Scratch& s, std::int64_t i, std::int64_t visible) {
  const float max = scores(a, s, i, visible);
  Partials sum;
  for (std::int64_t j = 0; j < visible; ++j) {
    const float e = exp_of<Scalar>(s.p[j] - max);
    sum.p[j % 16] += e;
    s.p[j] = e * s.v_scale[j];
  }
  const float inverse = 1.0f / sum.sum();
  const RowScale p = row_scale(__builtin_bit_cast(float, greatest(s.p, visible)), 255.0f);
  const float factor = p.scale * inverse;
  float* y = a.y + i * a.ldy;
  for (std::int64_t d = 0; d < a.head_width; ++d) {
    std::int32_t acc = 0;
    for (std::int64_t j = 0; j < visible; ++j) {
      const float u = quantized_u8<Scalar>(s.p[j], p.inverse) - kRoundingMagic;
      acc += static_cast<std::int32_t>(u) * s.v[j * a.head_width + d];
    }
    y[d] = static_cast<float>(acc) * factor;
  }
}

}  // namespace

std::int64_t attention_s8_scratch_floats(std::int64_t keys, std::int64_t head_width) noexcept {
  return 3 * keys + ((2 * keys + 1) * head_width + 3) / 4;
}

void attention_s8(const AttentionS8Args& a) noexcept {
  const Scratch s = place(a);
  const std::int64_t needed = a.causal ? a.query_end : a.keys;
  for (std::int64_t j = 0; j < needed; ++j) {
    s.k_scale[j] = quantize(s.k + j * a.head_width, a.k + j * a.ld_qkv, a.head_width);
    s.v_scale[j] = quantize(s.v + j * a.head_width, a.v + j * a.ld_qkv, a.head_width);
  }
  for (std::int64_t i = a.query_begin; i < a.query_end; ++i) {
    attend(a, s, i, a.causal ? i + 1 : a.keys);
  }
}

}  // namespace linnet::kernels::reference
