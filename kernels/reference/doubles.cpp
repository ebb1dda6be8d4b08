#include "kernels/doubles.h"

#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {
namespace {

struct Doubles {
  using V = double;
  static constexpr int kWidth = 1;
  static V splat(double c) { return c; }
  static V fma(V a, V b, V c) { return __builtin_fma(a, b, c); }
  static V negated_fma(V a, V b, V c) { return __builtin_fma(-a, b, c); }
  static V select_less(V a, V b, V yes, V no) { return a < b ? yes : no; }
  // In two steps: 2^n itself leaves the normal range at both ends.
  static V scale(V p, V n) {
    if (!(n >= -1076 && n <= 1024)) return p;
    const auto whole = static_cast<std::int64_t>(n), half = whole / 2;
    return p * power_of_two(half) * power_of_two(whole - half);
  }
  static V load(const double* p) { return *p; }
  static V widen(const float* p) { return *p; }
  static void store(double* p, V x) { *p = x; }

 private:
  static double power_of_two(std::int64_t n) {
    return __builtin_bit_cast(double, static_cast<std::uint64_t>(n + 1023) << 52);
  }
};

}  // namespace

void exp_f64(double* x, std::int64_t n) noexcept { exp_doubles<Doubles>(x, n); }

void sums_of_squares_f32(double* sums, const float* x, std::int64_t M, std::int64_t D) noexcept {
  sums_of_squares<Doubles>(sums, x, M, D);
}

}  // namespace linnet::kernels::reference
