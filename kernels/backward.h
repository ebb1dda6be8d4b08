#pragma once

#include "kernels/formulas.h"

// The operations of training, written once for every width, as kernels/formulas.h. Lanes is the
// level's access to rows (its lanes.h):
//   Ops, V                       primitives of formulas.h and their vector
//   load(p, lanes), store(p, x, lanes), keep(x, lanes)    absent lanes read as 0, are not written
//   for_each(n, f)               f(i, part, lanes) for every vector of n elements
//   Partials                     the 16 partial sums of a row: p[part], p.sum()
namespace linnet::kernels {
namespace {

constexpr float kInverseRoot2Pi = 0.398942280f;

/// Φ(x) + x·φ(x), the parts of gelu_of.
template <class Ops>
[[gnu::always_inline]] inline typename Ops::V gelu_slope(typename Ops::V x) {
  using V = typename Ops::V;
  const V t = Ops::max(Ops::splat(-kGeluBound), Ops::min(Ops::splat(kGeluBound), x));
  const V u = Ops::fma(t * t, Ops::splat(kGeluScale), Ops::splat(-1.0f));
  const V phi = Ops::fma(t, horner<Ops>(kGeluPolynomial, u), Ops::splat(0.5f));
  const V density = exp_of<Ops>(x * x * Ops::splat(-0.5f)) * Ops::splat(kInverseRoot2Pi);
  return Ops::fma(t, density, Ops::max(Ops::splat(0.0f), phi));
}

/// The slope of clip(gelu, ±10), which is 1 at the upper border's edge and 0 above.
template <class Ops>
[[gnu::always_inline]] inline typename Ops::V gelu_10_slope(typename Ops::V x) {
  return Ops::select_less(Ops::splat(kGelu10Limit), gelu_of<Ops>(x), Ops::splat(0.0f),
                          gelu_slope<Ops>(x));
}

/// With s = 1/(1 + e^u), u = x·(linear + cubic·x²): s - x·s·(1 - s)·(linear + 3·cubic·x²), where
/// 1 - s is e^u·s without cancellation. Beyond ±kGeluTanhFlat the second term is 0 to the last bit,
/// and x² could overflow.
constexpr float kGeluTanhFlat = 12.0f;
template <class Ops>
[[gnu::always_inline]] inline typename Ops::V gelu_tanh_slope(typename Ops::V x) {
  using V = typename Ops::V;
  const V one = Ops::splat(1.0f);
  const V t = Ops::max(Ops::splat(-kGeluTanhFlat), Ops::min(Ops::splat(kGeluTanhFlat), x));
  const V square = t * t;
  const V slope = Ops::fma(Ops::splat(kGeluTanhCubic), square, Ops::splat(kGeluTanhLinear));
  const V e = exp_of<Ops>(t * slope);
  const V s = one / (one + e);
  const V inner =
      Ops::fma(Ops::splat(-3.0f * kGeluTanhCubic), square, Ops::splat(-kGeluTanhLinear));
  return Ops::fma(t * s * (e * s), inner, s);
}

/// s + slope·x·s·(1 - s), s = sigmoid(slope·x): of silu with slope 1, of quick_gelu with 1.702.
/// Beyond ±88/slope the second term is 0 or below 1e-36.
template <class Ops>
[[gnu::always_inline]] inline typename Ops::V swish_slope(typename Ops::V x, float slope) {
  using V = typename Ops::V;
  const V one = Ops::splat(1.0f), c = Ops::splat(slope);
  const V z = Ops::max(Ops::splat(-kExpMax), Ops::min(Ops::splat(kExpMax), x * c));
  const V e = exp_of<Ops>(z * Ops::splat(-1.0f));
  const V s = one / (one + e);
  return Ops::fma(z * s, e * s, s);
}

/// Calls loop(f) with the derivative of the activation.
template <class Ops, class Loop>
[[gnu::always_inline]] inline void with_slope(Activation activation, Loop loop) {
  using V = typename Ops::V;
  switch (activation) {
    case Activation::kNone:
      return loop([](V) { return Ops::splat(1.0f); });
    case Activation::kGelu:
    case Activation::kGeluQ:  // gelu, less exactly
      return loop([](V x) { return gelu_slope<Ops>(x); });
    case Activation::kGeluTanh:
      return loop([](V x) { return gelu_tanh_slope<Ops>(x); });
    case Activation::kGelu10:
      return loop([](V x) { return gelu_10_slope<Ops>(x); });
    case Activation::kQuickGelu:
      return loop([](V x) { return swish_slope<Ops>(x, kQuickGeluSlope); });
    case Activation::kRelu:
      return loop([](V x) {
        return Ops::select_less(Ops::splat(0.0f), x, Ops::splat(1.0f), Ops::splat(0.0f));
      });
    case Activation::kSilu:
      return loop([](V x) { return swish_slope<Ops>(x, 1.0f); });
    case Activation::kTanh:
      return loop([](V x) {
        const V y = tanh_of<Ops>(x);
        return Ops::fma(y * Ops::splat(-1.0f), y, Ops::splat(1.0f));
      });
    case Activation::kSigmoid:
      return loop([](V x) {
        const V y = sigmoid_of<Ops>(x);
        return y * (Ops::splat(1.0f) - y);
      });
  }
}

template <class Lanes>
void activate_bwd_rows(float* dx, const float* dy, const float* x, std::int64_t n,
                       Activation activation) {
  with_slope<typename Lanes::Ops>(activation, [=](auto slope) {
    Lanes::for_each(n, [=](std::int64_t i, auto, auto lanes) {
      Lanes::store(dx + i, Lanes::load(dy + i, lanes) * slope(Lanes::load(x + i, lanes)), lanes);
    });
  });
}

template <class Lanes>
void layer_norm_bwd_rows(const LayerNormBwdF32Args& a) {
  using Ops = typename Lanes::Ops;
  using V = typename Lanes::V;
  const auto count = static_cast<float>(a.D);
  for (std::int64_t m = 0; m < a.M; ++m) {
    const float *dy = a.dy + m * a.D, *x = a.x + m * a.D;
    float* dx = a.dx + m * a.D;
    const V mean = Ops::splat(a.mean[m]), rstd = Ops::splat(a.rstd[m]);
    typename Lanes::Partials sum, product;
    Lanes::for_each(a.D, [&](std::int64_t d, auto part, auto lanes) {
      const V g = Lanes::load(dy + d, lanes) * Lanes::load(a.gamma + d, lanes);
      const V normal = Lanes::keep((Lanes::load(x + d, lanes) - mean) * rstd, lanes);
      sum[part] = sum[part] + g;
      product[part] = Ops::fma(g, normal, product[part]);
    });
    const V s = Ops::splat(sum.sum() / count), p = Ops::splat(-(product.sum() / count));
    Lanes::for_each(a.D, [&](std::int64_t d, auto, auto lanes) {
      const V g = Lanes::load(dy + d, lanes) * Lanes::load(a.gamma + d, lanes);
      const V normal = (Lanes::load(x + d, lanes) - mean) * rstd;
      Lanes::store(dx + d, Ops::fma(normal, p, g - s) * rstd, lanes);
    });
  }
}

template <class Lanes>
void softmax_bwd_rows(const SoftmaxBwdF32Args& a) {
  using Ops = typename Lanes::Ops;
  using V = typename Lanes::V;
  const V scale = Ops::splat(a.scale);
  for (std::int64_t m = 0; m < a.M; ++m) {
    const float *dy = a.dy + m * a.ld, *y = a.y + m * a.ld;
    float* dx = a.dx + m * a.ld;
    typename Lanes::Partials sum;
    Lanes::for_each(a.N, [&](std::int64_t j, auto part, auto lanes) {
      sum[part] = Ops::fma(Lanes::load(y + j, lanes), Lanes::load(dy + j, lanes), sum[part]);
    });
    const V s = Ops::splat(sum.sum());
    Lanes::for_each(a.N, [&](std::int64_t j, auto, auto lanes) {
      const V y_j = Lanes::load(y + j, lanes);
      Lanes::store(dx + j, y_j * (Lanes::load(dy + j, lanes) - s) * scale, lanes);
    });
  }
}

template <class Lanes>
void sum_columns(const SumColumnsF32Args& a) {
  using Ops = typename Lanes::Ops;
  using V = typename Lanes::V;
  // The sums of a few hundred columns stay in the first-level cache while all rows pass.
  for (std::int64_t t = 0; t < a.T; ++t) {
    const float* from = a.a + t * a.lda + a.n_begin;
    Lanes::for_each(a.n_end - a.n_begin, [&](std::int64_t i, auto, auto lanes) {
      float* sum = a.sum + a.n_begin + i;
      const V v = Lanes::load(from + i, lanes);
      Lanes::store(sum, Lanes::load(sum, lanes) + v, lanes);
    });
    if (a.weighted == nullptr) continue;
    const float* x = a.x + t * a.lda + a.n_begin;
    const V mean = Ops::splat(a.mean[t]), rstd = Ops::splat(a.rstd[t]);
    Lanes::for_each(a.n_end - a.n_begin, [&](std::int64_t i, auto, auto lanes) {
      float* sum = a.weighted + a.n_begin + i;
      const V normal = (Lanes::load(x + i, lanes) - mean) * rstd;
      Lanes::store(sum, Ops::fma(Lanes::load(from + i, lanes), normal, Lanes::load(sum, lanes)),
                   lanes);
    });
  }
}

template <class Lanes>
void adamw_step(const AdamwF32Args& a) {
  using Ops = typename Lanes::Ops;
  using V = typename Lanes::V;
  const V keep = Ops::splat(a.keep), scale = Ops::splat(a.gradient_scale),
          towards = Ops::splat(a.one_minus_beta1), beta2 = Ops::splat(a.beta2),
          square = Ops::splat(a.one_minus_beta2), root = Ops::splat(a.root_correction2),
          eps = Ops::splat(a.eps), step = Ops::splat(a.step);
  Lanes::for_each(a.n, [&](std::int64_t i, auto, auto lanes) {
    const V g = Lanes::load(a.g + i, lanes) * scale;
    V m = Lanes::load(a.m + i, lanes), v = Lanes::load(a.v + i, lanes);
    m = Ops::fma(g - m, towards, m);
    v = Ops::fma(g * square, g, v * beta2);
    const V denominator = Ops::sqrt(v) / root + eps;
    const V p = Lanes::load(a.p + i, lanes) * keep;
    Lanes::store(a.p + i, Ops::fma(m / denominator, step, p), lanes);
    Lanes::store(a.m + i, m, lanes);
    Lanes::store(a.v + i, v, lanes);
  });
}

template <class Lanes>
void sgd_step(const SgdF32Args& a) {
  using Ops = typename Lanes::Ops;
  using V = typename Lanes::V;
  const V scale = Ops::splat(a.gradient_scale), decay = Ops::splat(a.weight_decay),
          momentum = Ops::splat(a.momentum), step = Ops::splat(a.step);
  Lanes::for_each(a.n, [&](std::int64_t i, auto, auto lanes) {
    const V p = Lanes::load(a.p + i, lanes);
    V g = Ops::fma(p, decay, Lanes::load(a.g + i, lanes) * scale);
    if (a.buffer != nullptr) {
      const V b = Ops::fma(Lanes::load(a.buffer + i, lanes), momentum, g);
      Lanes::store(a.buffer + i, b, lanes);
      g = a.nesterov ? Ops::fma(b, momentum, g) : b;
    }
    Lanes::store(a.p + i, Ops::fma(g, step, p), lanes);
  });
}

}  // namespace
}  // namespace linnet::kernels
