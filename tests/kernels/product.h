#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

// What the tests of y = x·Wᵀ share, whatever the type of x and W. A test describes its product:
//   struct Product {
//     struct Operands { Epilogue epilogue; Operands(const Problem&, std::uint64_t seed); … };
//     /// y [M, ldy], the gaps between rows included; columns in slices of `steps` steps, the last
//     /// slice first
//     static std::vector<float> run(Isa, const Problem&, const Operands&, std::int64_t steps);
//   };
namespace linnet::test {

using kernels::Activation;

enum class Residual { kNone, kApart, kInPlace };

inline constexpr std::int32_t kActivations = static_cast<std::int32_t>(Activation::kSigmoid) + 1;
inline constexpr float kUntouched = -12345.0f;
inline constexpr std::int64_t kAllSteps = 1 << 20;

/// A product; its operands lie in guarded buffers of exactly the stated size.
struct Problem {
  std::int64_t M = 0, N = 0, K = 0;
  bool with_bias = true;
  Residual residual_kind = Residual::kNone;
  Activation activation = Activation::kNone;
  std::int64_t slack = 0;  // leading dimensions are wider than the matrices by this
  Guard guard = Guard::kAfter;

  std::int64_t ldy() const { return N + 2 * slack; }
  std::int64_t ldr() const { return residual_kind == Residual::kInPlace ? ldy() : N + slack; }
  std::size_t at(std::int64_t m, std::int64_t n) const {  // in y
    return static_cast<std::size_t>(m * ldy() + n);
  }
};

/// Names the problem in the message of a failure.
inline testing::AssertionResult in(testing::AssertionResult result, const Problem& p) {
  if (!result) {
    result << " in M=" << p.M << " N=" << p.N << " K=" << p.K << " slack=" << p.slack
           << " activation " << static_cast<int>(p.activation) << " residual "
           << static_cast<int>(p.residual_kind) << " bias " << p.with_bias;
  }
  return result;
}

inline std::size_t span_of(std::int64_t rows, std::int64_t cols, std::int64_t ld) {
  return rows == 0 ? 0 : static_cast<std::size_t>((rows - 1) * ld + cols);
}

/// What follows the product.
struct Epilogue {
  GuardedBuffer<float> bias, residual;  // [N], [M, N]

  Epilogue(const Problem& p, Rng& rng)
      : bias(static_cast<std::size_t>(p.N), p.guard),
        residual(span_of(p.M, p.N, p.ldr()), p.guard) {
    fill_mixed(bias.span(), rng);
    fill_mixed(residual.span(), rng);
  }
};

/// y, and in it the residual where that is in place.
class Result {
 public:
  Result(const Problem& p, const Epilogue& e)
      : p_(p), e_(e), y_(span_of(p.M, p.N, p.ldy()), p.guard) {
    std::fill(y_.span().begin(), y_.span().end(), kUntouched);
    for (std::int64_t m = 0; m < p.M && in_place(); ++m) {
      std::copy_n(e.residual.data() + m * p.ldr(), p.N, y_.data() + m * p.ldy());
    }
  }

  /// The arguments but for x and w.
  template <class Args>
  Args arguments() {
    Args a;
    a.y = y_.data(), a.ldy = p_.ldy();
    a.bias = p_.with_bias ? e_.bias.data() : nullptr;
    if (p_.residual_kind != Residual::kNone)
      a.residual = in_place() ? y_.data() : e_.residual.data();
    a.ld_residual = p_.ldr();
    a.activation = p_.activation;
    a.M = p_.M, a.N = p_.N, a.K = p_.K;
    return a;
  }
  std::vector<float> values() const { return {y_.span().begin(), y_.span().end()}; }

 private:
  bool in_place() const { return p_.residual_kind == Residual::kInPlace; }
  const Problem& p_;
  const Epilogue& e_;
  GuardedBuffer<float> y_;
};

/// f(n_begin, n_end) for slices of so many of N columns, the last one first.
template <class F>
void in_slices(std::int64_t N, std::int64_t columns, F f) {
  for (std::int64_t n = (N - 1) / columns * columns; n >= 0; n -= columns) {
    f(n, std::min(N, n + columns));
  }
}

template <class Product>
testing::AssertionResult level_is_reference(Isa isa, const Problem& p, std::uint64_t seed) {
  const typename Product::Operands o(p, seed);
  return in(
      same_bits(Product::run(isa, p, o, kAllSteps), Product::run(Isa::kReference, p, o, kAllSteps)),
      p);
}

/// fma(sum · x_scale, w_scale, bias) of INT8 operands, for products [M, N, K]. Product also has
///   /// the sum of row m and column n in 64-bit integers
///   static std::int64_t exact_sum(const Problem&, const Operands&, std::int64_t m, std::int64_t
///   n);
template <class Product>
void is_the_formula(Isa isa, std::initializer_list<std::array<std::int64_t, 3>> products) {
  for (const auto& [M, N, K] : products) {
    const Problem p = {.M = M, .N = N, .K = K, .slack = 3};
    const typename Product::Operands o(p, 1);
    const std::vector<float> got = Product::run(isa, p, o, kAllSteps);
    for (std::int64_t m = 0; m < p.M; ++m) {
      for (std::int64_t n = 0; n < p.N; ++n) {
        const auto sum = static_cast<float>(Product::exact_sum(p, o, m, n));
        const float want =
            std::fma(sum * o.x_scale.data()[m], o.w_scale.data()[n], o.epilogue.bias.data()[n]);
        ASSERT_EQ(bits(got[p.at(m, n)]), bits(want))
            << "M=" << p.M << " N=" << p.N << " K=" << p.K << " row " << m << " column " << n;
      }
    }
  }
}

/// Rows and columns up to some blocks of every level, and one more of each.
template <class Product>
void same_bits_for_every_tail(Isa isa, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t M = 1; M <= rows; ++M) {
    for (std::int64_t N = 1; N <= columns; N += N < columns / 2 ? 1 : 5) {
      ASSERT_TRUE(level_is_reference<Product>(isa, {.M = M, .N = N, .K = 19}, 4));
    }
  }
}

template <class Product>
void same_bits_for_every_inner_dimension(Isa isa) {
  for (const std::int64_t K : awkward_sizes()) {
    for (const std::int64_t M : {1, 2, 5, 8, 13}) {
      ASSERT_TRUE(level_is_reference<Product>(isa, {.M = M, .N = 65, .K = K, .slack = 1}, 5));
    }
  }
}

template <class Product>
void same_bits_for_model_shapes(Isa isa) {
  for (const auto& [N, K] :
       {std::pair<std::int64_t, std::int64_t>{768, 768}, {1152, 384}, {384, 1536}, {768, 3072}}) {
    for (const std::int64_t M : {1, 7, 20}) {
      ASSERT_TRUE(level_is_reference<Product>(isa, {.M = M, .N = N, .K = K}, 6));
    }
  }
}

/// Of sizes up to these, some of them rarely; everything else at random.
template <class Product>
void same_bits_on_random_problems(Isa isa, std::uint64_t rows, std::uint64_t inner) {
  Rng rng(12);
  for (int i = 0; i < 400; ++i) {
    const auto upto = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(1 + rng() % n); };
    const Problem p = {.M = upto(rng() % 4 == 0 ? rows : 40),
                       .N = upto(rng() % 4 == 0 ? 400 : 60),
                       .K = upto(rng() % 8 == 0 ? inner : inner / 10),
                       .with_bias = rng() % 2 == 0,
                       .residual_kind = static_cast<Residual>(rng() % 3),
                       .activation = static_cast<Activation>(rng() % kActivations),
                       .slack = upto(20) - 1,
                       .guard = static_cast<Guard>(rng() % 2)};
    ASSERT_TRUE(level_is_reference<Product>(isa, p, rng()));
  }
}

/// Bias, then activation, then residual: the same bits as the plain product with its bias and then
/// the elementwise kernels.
template <class Product>
void epilogue_is_in_order(Isa isa) {
  for (std::int32_t activation = 0; activation < kActivations; ++activation) {
    for (const Residual residual : {Residual::kNone, Residual::kApart, Residual::kInPlace}) {
      for (const bool bias : {false, true}) {
        const Problem plain = {.M = 10, .N = 115, .K = 3, .with_bias = bias, .slack = 5};
        Problem p = plain;
        p.activation = static_cast<Activation>(activation);
        p.residual_kind = residual;
        const typename Product::Operands o(p, 7);
        std::vector<float> want = Product::run(isa, plain, o, kAllSteps);
        for (std::int64_t m = 0; m < p.M; ++m) {
          float* row = want.data() + m * p.ldy();
          kernels::make_table(Isa::kReference).activate_f32(row, row, p.N, p.activation);
          const float* add = o.epilogue.residual.data() + m * p.ldr();
          for (std::int64_t n = 0; n < p.N && residual != Residual::kNone; ++n) {
            row[n] = add[n] + row[n];
          }
        }
        ASSERT_TRUE(in(same_bits(Product::run(isa, p, o, kAllSteps), want), p));
      }
    }
  }
}

template <class Product>
void column_slices_equal_the_whole(Isa isa) {
  for (const std::int64_t M : {1, 2, 3, 8, 21, 40}) {
    const Problem p = {.M = M, .N = 500, .K = 37, .activation = Activation::kGelu};
    const typename Product::Operands o(p, 8);
    const std::vector<float> whole = Product::run(isa, p, o, kAllSteps);
    for (const std::int64_t steps : {1, 2, 3, 5}) {
      ASSERT_TRUE(same_bits(Product::run(isa, p, o, steps), whole)) << "steps " << steps;
    }
  }
}

/// Nothing is written between the rows of y.
inline testing::AssertionResult gaps_are_untouched(const Problem& p, const std::vector<float>& y) {
  for (std::int64_t m = 0; m + 1 < p.M; ++m) {
    for (std::int64_t n = p.N; n < p.ldy(); ++n) {
      if (y[p.at(m, n)] != kUntouched) {
        return testing::AssertionFailure() << "touched beside row " << m;
      }
    }
  }
  return testing::AssertionSuccess();
}

template <class Product>
void leaves_the_gaps_between_rows_alone(Isa isa) {
  const Problem p = {.M = 9, .N = 50, .K = 4, .slack = 7};
  ASSERT_TRUE(
      gaps_are_untouched(p, Product::run(isa, p, typename Product::Operands(p, 10), kAllSteps)));
}

}  // namespace linnet::test
