#pragma once

#include "kernels/coefficients.h"
#include "kernels/ops.h"

// The elementwise functions, written once for every width: the same sequence of operations at every
// level is what gives the same bits. Ops is the level's vector type with its few primitives:
//   V              the vector                       splat(c)        c in every lane
//   fma(a, b, c)   a·b + c, rounded once            negated_fma(a, b, c)   c - a·b, rounded once
//   min(a, b), max(a, b)   b when one is NaN        abs(a), copysign(magnitude, sign)
//   select_less(a, b, yes, no)   a < b ? yes : no   scale(p, t)   p·2^n, t = n + kRoundingMagic
//   sqrt(a)
// Everything is in an anonymous namespace: each file that includes this has a copy compiled with
// its own flags.
namespace linnet::kernels {
namespace {

/// c[0] + c[1]·x + ... + c[degree]·x^degree, by Horner's rule.
template <class Ops, int count>
[[gnu::always_inline]] inline typename Ops::V horner(const float (&c)[count], typename Ops::V x) {
  typename Ops::V p = Ops::splat(c[count - 1]);
#pragma GCC unroll 16
  for (int i = count - 2; i >= 0; --i) p = Ops::fma(p, x, Ops::splat(c[i]));
  return p;
}

/// e^x; 0 below kExpMin, e^kExpMax above kExpMax, NaN for NaN.
template <class Ops>
[[gnu::always_inline]] inline typename Ops::V exp_of(typename Ops::V x) {
  using V = typename Ops::V;
  const V c = Ops::min(Ops::splat(kExpMax), x);
  const V t = Ops::fma(c, Ops::splat(kLog2E), Ops::splat(kRoundingMagic));
  const V n = t - Ops::splat(kRoundingMagic);
  V r = Ops::fma(n, Ops::splat(-kLn2High), c);
  r = Ops::fma(n, Ops::splat(-kLn2Low), r);
  const V one = Ops::splat(1.0f);
  V p = Ops::fma(horner<Ops>(kExpPolynomial, r), r, one);
  p = Ops::fma(p, r, one);
  return Ops::select_less(x, Ops::splat(kExpMin), Ops::splat(0.0f), Ops::scale(p, t));
}

template <class Ops>
[[gnu::always_inline]] inline typename Ops::V gelu_of(typename Ops::V x) {
  using V = typename Ops::V;
  const V t = Ops::max(Ops::splat(-kGeluBound), Ops::min(Ops::splat(kGeluBound), x));
  const V u = Ops::fma(t * t, Ops::splat(kGeluScale), Ops::splat(-1.0f));
  const V phi = Ops::fma(t, horner<Ops>(kGeluPolynomial, u), Ops::splat(0.5f));
  return x * Ops::max(Ops::splat(0.0f), phi);
}

template <class Ops>
[[gnu::always_inline]] inline typename Ops::V gelu_q_of(typename Ops::V x) {
  using V = typename Ops::V;
  const V a = Ops::min(Ops::splat(kGeluQBound), Ops::abs(x));
  const V p = horner<Ops>(kGeluQPolynomial, a), p2 = p * p, p4 = p2 * p2;
  return Ops::negated_fma(p4 * p4, a, Ops::max(Ops::splat(0.0f), x));
}

template <class Ops>
[[gnu::always_inline]] inline typename Ops::V gelu_10_of(typename Ops::V x) {
  return Ops::max(Ops::splat(-kGelu10Limit), Ops::min(Ops::splat(kGelu10Limit), gelu_of<Ops>(x)));
}

template <class Ops>
[[gnu::always_inline]] inline typename Ops::V gelu_tanh_of(typename Ops::V x) {
  using V = typename Ops::V;
  const V slope = Ops::fma(Ops::splat(kGeluTanhCubic), x * x, Ops::splat(kGeluTanhLinear));
  return x / (Ops::splat(1.0f) + exp_of<Ops>(x * slope));
}

/// 1 / (1 + e^-x)
template <class Ops>
[[gnu::always_inline]] inline typename Ops::V sigmoid_of(typename Ops::V x) {
  const typename Ops::V one = Ops::splat(1.0f);
  return one / (one + exp_of<Ops>(x * Ops::splat(-1.0f)));
}

template <class Ops>
[[gnu::always_inline]] inline typename Ops::V silu_of(typename Ops::V x) {
  return x / (Ops::splat(1.0f) + exp_of<Ops>(x * Ops::splat(-1.0f)));
}

template <class Ops>
[[gnu::always_inline]] inline typename Ops::V quick_gelu_of(typename Ops::V x) {
  return x / (Ops::splat(1.0f) + exp_of<Ops>(x * Ops::splat(-kQuickGeluSlope)));
}

template <class Ops>
[[gnu::always_inline]] inline typename Ops::V relu_of(typename Ops::V x) {
  return Ops::max(Ops::splat(0.0f), x);
}

template <class Ops>
[[gnu::always_inline]] inline typename Ops::V tanh_of(typename Ops::V x) {
  using V = typename Ops::V;
  const V a = Ops::abs(x), s = x * x, one = Ops::splat(1.0f);
  const V near = Ops::fma(horner<Ops>(kTanhPolynomial, s) * s, x, x);
  const V far = one - Ops::splat(2.0f) / (one + exp_of<Ops>(a + a));
  return Ops::select_less(a, Ops::splat(kTanhBorder), near, Ops::copysign(far, x));
}

/// What a row of activations is quantised by: contract of QuantizeRowsS8Args.
struct RowScale {
  float scale, inverse;
};
inline RowScale row_scale(float amax, float steps = 127.0f) {
  const bool finite = amax < __builtin_inff();
  return {finite ? amax / steps : __builtin_nanf(""),
          finite && amax >= kQuantizeMin ? steps / amax : 0.0f};
}

/// The integer nearest to x·inverse in -127 .. 127 (127 for NaN) + kRoundingMagic: its low byte is
/// the integer's.
template <class Ops>
[[gnu::always_inline]] inline typename Ops::V quantized(typename Ops::V x,
                                                        typename Ops::V inverse) {
  const typename Ops::V t = Ops::min(x * inverse, Ops::splat(127.0f));
  return Ops::max(t, Ops::splat(-127.0f)) + Ops::splat(kRoundingMagic);
}

/// The same for x >= 0 in 0 .. 255 (255 for NaN).
template <class Ops>
[[gnu::always_inline]] inline typename Ops::V quantized_u8(typename Ops::V x,
                                                           typename Ops::V inverse) {
  return Ops::min(x * inverse, Ops::splat(255.0f)) + Ops::splat(kRoundingMagic);
}

/// Calls loop(f) with the function of the activation: one switch per call, none per element.
template <class Ops, class Loop>
[[gnu::always_inline]] inline void with_activation(Activation activation, Loop loop) {
  using V = typename Ops::V;
  switch (activation) {
    case Activation::kNone:
      return loop([](V x) { return x; });
    case Activation::kGelu:
      return loop([](V x) { return gelu_of<Ops>(x); });
    case Activation::kGeluTanh:
      return loop([](V x) { return gelu_tanh_of<Ops>(x); });
    case Activation::kGeluQ:
      return loop([](V x) { return gelu_q_of<Ops>(x); });
    case Activation::kGelu10:
      return loop([](V x) { return gelu_10_of<Ops>(x); });
    case Activation::kQuickGelu:
      return loop([](V x) { return quick_gelu_of<Ops>(x); });
    case Activation::kRelu:
      return loop([](V x) { return relu_of<Ops>(x); });
    case Activation::kSilu:
      return loop([](V x) { return silu_of<Ops>(x); });
    case Activation::kTanh:
      return loop([](V x) { return tanh_of<Ops>(x); });
    case Activation::kSigmoid:
      return loop([](V x) { return sigmoid_of<Ops>(x); });
  }
}

}  // namespace
}  // namespace linnet::kernels
