#pragma once

// The constants of the elementwise functions, one copy for every level. The polynomials are minimax
// fits of our own: tools/derive_coefficients.py prints them and their errors; what remains after
// float arithmetic is measured by tests/kernels/activate_f32_test.cpp.
namespace linnet::kernels {

// exp(x) = 2^n·e^r, n = round(x·log2(e)), r = x - n·ln(2) in two steps (ln(2) split so that
// n·kLn2High is exact), e^r = 1 + r + r²·Q(r). Below kExpMin the result is 0: above it, 2^n and the
// product are normal numbers. Above kExpMax it stays e^kExpMax.
constexpr float kExpMin = -87.3f, kExpMax = 88.0f;
constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
constexpr float kRoundingMagic = 12582912.0f;  // 1.5·2^23: adding it rounds to an integer
constexpr float kExpPolynomial[] = {0.49999994f, 0.166665345f, 0.0416681655f, 0.00836747792f,
                                    0.00138203474f};

// gelu(x) = x·(1/2 + t·P(u)), t = clamp(x, ±kGeluBound), u = 2·(t/kGeluBound)² - 1: centring the
// square keeps Horner's intermediate values small. At the bound the parenthesis is exactly 1, at
// its negative exactly 0 after a maximum with 0.
constexpr float kGeluBound = 5.25f, kGeluScale = 2.0f / (5.25f * 5.25f);
constexpr float kGeluPolynomial[] = {
    0.134659365f,   -0.0671266541f,  0.0496438853f,  -0.0397686064f,  0.0320644304f,
    -0.0249952357f, 0.0183251314f,   -0.0129530393f, 0.00907235034f,  -0.00512277475f,
    0.00186739932f, -0.00132363697f, 0.00145739643f, -0.000561916211f};

// gelu_q(x) = max(x, 0) - a·p(a)^8, a = min(|x|, kGeluQBound): Phi(-a), the weight of what is lost
// on the side of x, has a root that is nearly straight, so that six terms are within 1.8e-6.
constexpr float kGeluQBound = 5.5f;
constexpr float kGeluQPolynomial[] = {0.917005479f,    -0.091497466f,  -0.0317171328f,
                                      -0.00110662309f, 0.00193749869f, -0.00019048425f};

// gelu_tanh(x) = x / (1 + exp(x·(kGeluTanhLinear + kGeluTanhCubic·x²))):
// 0.5·(1 + tanh(z)) = 1/(1 + e^-2z), -2z = -2·sqrt(2/π)·(x + 0.044715·x³).
constexpr float kGeluTanhLinear = -1.59576912f, kGeluTanhCubic = -0.0713548163f;

constexpr float kGelu10Limit = 10.0f;
constexpr float kQuickGeluSlope = 1.702f;

// tanh(x) = x + x³·P(x²) for |x| < kTanhBorder, else ±(1 - 2/(1 + e^2|x|)).
constexpr float kTanhBorder = 0.625f;
constexpr float kTanhPolynomial[] = {-0.333332807f, 0.133314416f, -0.0537397079f, 0.0206390675f,
                                     -0.00570496637f};

// Rows whose greatest magnitude is below this are quantised to 0: 127 / amax could overflow.
constexpr float kQuantizeMin = 1e-30f;

// Of the reflection that mixes three thirds of a row: I - 2/3·J is orthogonal for order 3.
constexpr float kMinusTwoThirds = -2.0f / 3.0f;

}  // namespace linnet::kernels
