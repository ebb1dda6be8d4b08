// AdamW and SGD: ten steps against the formulas of torch in double, and the bits of every level.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

class OptimizerF32 : public testing::TestWithParam<Isa> {
 protected:
  const KernelTable table = make_table(GetParam());
};

constexpr double kLr = 0.01, kDecay = 0.1, kBeta1 = 0.9, kBeta2 = 0.999, kAdamEps = 1e-8;

AdamwF32Args adamw_args(int t) {
  AdamwF32Args a;
  a.gradient_scale = 0.5f;
  a.keep = static_cast<float>(1 - kLr * kDecay);
  a.one_minus_beta1 = static_cast<float>(1 - kBeta1);
  a.beta2 = static_cast<float>(kBeta2);
  a.one_minus_beta2 = static_cast<float>(1 - kBeta2);
  a.root_correction2 = static_cast<float>(std::sqrt(1 - std::pow(kBeta2, t)));
  a.eps = static_cast<float>(kAdamEps);
  a.step = static_cast<float>(-kLr / (1 - std::pow(kBeta1, t)));
  return a;
}

TEST_P(OptimizerF32, AdamwIsTheFormula) {
  Rng rng(1);
  constexpr std::size_t kN = 37;
  std::vector<float> p(kN), m(kN), v(kN), g(kN);
  test::fill_uniform(p, -1, 1, rng);
  std::vector<double> want(p.begin(), p.end()), wm(kN), wv(kN);
  for (int t = 1; t <= 10; ++t) {
    test::fill_uniform(g, -1, 1, rng);
    AdamwF32Args a = adamw_args(t);
    a.p = p.data(), a.m = m.data(), a.v = v.data(), a.g = g.data(), a.n = kN;
    table.adamw_f32(a);
    for (std::size_t i = 0; i < kN; ++i) {
      const double grad = 0.5 * g[i];
      want[i] *= 1 - kLr * kDecay;
      wm[i] = kBeta1 * wm[i] + (1 - kBeta1) * grad;
      wv[i] = kBeta2 * wv[i] + (1 - kBeta2) * grad * grad;
      const double denominator = std::sqrt(wv[i]) / std::sqrt(1 - std::pow(kBeta2, t)) + kAdamEps;
      want[i] -= kLr / (1 - std::pow(kBeta1, t)) * wm[i] / denominator;
    }
  }
  for (std::size_t i = 0; i < kN; ++i) {
    EXPECT_NEAR(p[i], want[i], 2e-6) << i;  // ten steps of lr with a few roundings each
    EXPECT_NEAR(m[i], wm[i], 1e-7) << i;
    EXPECT_NEAR(v[i], wv[i], 1e-8) << i;
  }
}

TEST_P(OptimizerF32, SgdIsTheFormula) {
  Rng rng(2);
  constexpr std::size_t kN = 21;
  for (const int kind : {0, 1, 2}) {  // plain, momentum, Nesterov
    std::vector<float> p(kN), buffer(kN), g(kN);
    test::fill_uniform(p, -1, 1, rng);
    std::vector<double> want(p.begin(), p.end()), b(kN);
    for (int t = 0; t < 10; ++t) {
      test::fill_uniform(g, -1, 1, rng);
      table.sgd_f32({.p = p.data(),
                     .buffer = kind == 0 ? nullptr : buffer.data(),
                     .g = g.data(),
                     .n = kN,
                     .gradient_scale = 0.5f,
                     .weight_decay = 0.1f,
                     .momentum = 0.9f,
                     .step = -0.01f,
                     .nesterov = kind == 2});
      for (std::size_t i = 0; i < kN; ++i) {
        const double grad = 0.5 * g[i] + 0.1 * want[i];
        b[i] = 0.9 * b[i] + grad;
        want[i] -= 0.01 * (kind == 0 ? grad : kind == 1 ? b[i] : grad + 0.9 * b[i]);
      }
    }
    for (std::size_t i = 0; i < kN; ++i) EXPECT_NEAR(p[i], want[i], 1e-6) << kind << " " << i;
  }
}

TEST_P(OptimizerF32, SameBits) {
  const KernelTable reference = make_table(Isa::kReference);
  Rng rng(3);
  for (const std::int64_t n : test::awkward_sizes()) {
    const auto size = static_cast<std::size_t>(n);
    GuardedBuffer<float> g(size), start(size);
    test::fill_mixed(g.span(), rng);
    test::fill_mixed(start.span(), rng);
    std::vector<std::vector<float>> results;
    for (const KernelTable* k : {&table, &reference}) {
      GuardedBuffer<float> p(size), m(size), v(size), q(size), b(size);
      for (auto* x : {&p, &m, &q, &b}) std::copy_n(start.data(), size, x->data());
      for (std::size_t i = 0; i < size; ++i) v.data()[i] = std::abs(start.data()[i]);
      AdamwF32Args a = adamw_args(3);
      a.p = p.data(), a.m = m.data(), a.v = v.data(), a.g = g.data(), a.n = n;
      k->adamw_f32(a);
      k->sgd_f32({q.data(), b.data(), g.data(), n, 0.3f, 0.1f, 0.9f, -0.01f, true});
      std::vector<float> all;
      for (auto* x : {&p, &m, &v, &q, &b}) all.insert(all.end(), x->data(), x->data() + size);
      results.push_back(std::move(all));
    }
    ASSERT_TRUE(test::same_bits(results[0], results[1])) << "n=" << n;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, OptimizerF32, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
