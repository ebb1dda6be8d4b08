#include "kernels/gemm_quantize_s8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;
using test::Rng;

constexpr std::int64_t kN = 100, kK = 70;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// A product of M rows, gelu_q, a transform and a quantisation, in buffers of exactly their size.
struct Problem {
  const KernelTable table;
  const std::int64_t M;
  GuardedBuffer<std::uint8_t> x{size(M * padded_k(kK))};
  GuardedBuffer<std::int8_t> packed{size((kN + 15) / 16 * 16 * column_bytes_s8(kK))};
  GuardedBuffer<float> x_scale{size(M)}, w_scale{size(kN)}, bias{size(kN)}, residual{size(M * kN)};
  GuardedBuffer<float> r{size(kN)}, scratch{size(padded_k(kN))};

  Problem(Isa isa, std::int64_t rows) : table(make_table(isa)), M(rows) {
    Rng rng(5);
    const auto byte = [&] { return static_cast<std::int8_t>(static_cast<int>(rng() % 255) - 127); };
    std::vector<std::int8_t> w(size(kN * kK));
    for (std::int8_t& v : w) v = byte();
    table.pack_s8(packed.data(), w.data(), kK, 1, kK, 0, kN);
    for (std::int64_t i = 0; i < M * padded_k(kK); ++i) {
      const int q = i % padded_k(kK) < kK ? byte() : 0;
      x.data()[i] = static_cast<std::uint8_t>(q + table.gemm_s8.shift);
    }
    for (float& v : x_scale.span()) v = std::abs(test::mixed(rng)) / 1000;
    for (float& v : w_scale.span()) v = std::abs(test::mixed(rng)) / 1000;
    for (auto* buffer : {&bias, &residual, &r}) test::fill_mixed(buffer->span(), rng);
  }
  GemmS8Args product(float* y, std::int64_t ldy) {
    GemmS8Args a = {.y = y, .ldy = ldy, .x = x.data(), .ldx = padded_k(kK)};
    a.x_scale = x_scale.data(), a.w = packed.data(), a.w_scale = w_scale.data();
    a.bias = bias.data(), a.residual = residual.data(), a.ld_residual = kN;
    a.M = M, a.N = kN, a.K = kK, a.n_end = kN;
    return a;
  }
  QuantizeRowsS8Args quantize(std::uint8_t* q, float* scale) {
    QuantizeRowsS8Args a = {.q = q, .ldq = padded_k(kN), .scale = scale};
    a.shift = 0, a.activation = Activation::kGeluQ;
    a.transform = {.r = r.data(), .n = 8}, a.scratch = scratch.data();
    return a;
  }
};

class GemmQuantizeS8 : public testing::TestWithParam<Isa> {};

TEST_P(GemmQuantizeS8, IsTheProductOfTheReferenceThenItsQuantisation) {
  for (const std::int64_t M : {0, 1, 8, 31, 32, 33, 64, 71, 100}) {
    Problem wanted(Isa::kReference, M), p(GetParam(), M);
    std::vector<float> y(size(M * kN)), want_scale(size(M));
    std::vector<std::uint8_t> want(size(M * padded_k(kN)));
    wanted.table.gemm_s8.run(wanted.product(y.data(), kN));
    QuantizeRowsS8Args a = wanted.quantize(want.data(), want_scale.data());
    a.x = y.data(), a.ldx = kN, a.M = M, a.K = kN;
    wanted.table.quantize_rows_s8(a);

    const std::int64_t rows = std::min(M, kRowsBetweenS8), ldy = kN + 4;
    GuardedBuffer<float> between(size(rows == 0 ? 0 : (rows - 1) * ldy + kN)), scale(size(M));
    GuardedBuffer<std::uint8_t> q(size(M * padded_k(kN)));
    gemm_quantize_s8(p.table, {p.product(between.data(), ldy), p.quantize(q.data(), scale.data())});
    ASSERT_TRUE(test::same_bits(scale.span(), want_scale)) << "M=" << M;
    ASSERT_TRUE(std::equal(want.begin(), want.end(), q.data())) << "M=" << M;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLevel, GemmQuantizeS8, testing::ValuesIn(test::levels()),
                         test::level_name);

}  // namespace
}  // namespace linnet::kernels
