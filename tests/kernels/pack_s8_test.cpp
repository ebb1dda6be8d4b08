#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

#include "tests/kernels/levels.h"
#include "tests/support/guarded_buffer.h"

namespace linnet::kernels {
namespace {

using test::GuardedBuffer;

TEST(PackS8, PutsEveryWeightAndSumWhereTheContractSays) {
  const PackS8Fn pack = make_table(Isa::kReference).pack_s8;
  test::Rng rng(1);
  for (const std::int64_t N : {1, 15, 16, 17, 32, 47, 48, 49, 100, 145}) {
    for (const std::int64_t K : {1, 3, 4, 63, 64, 65, 200}) {
      GuardedBuffer<std::int8_t> w(static_cast<std::size_t>(N * K));
      for (std::int8_t& v : w.span())
        v = static_cast<std::int8_t>(static_cast<int>(rng() % 255) - 127);
      const auto bytes = static_cast<std::size_t>((N + 15) / 16 * 16 * column_bytes_s8(K));
      GuardedBuffer<std::int8_t> packed(bytes), transposed(bytes), wt(w.size());
      for (std::int64_t n = 0; n < N; ++n) {
        for (std::int64_t k = 0; k < K; ++k) wt.data()[k * N + n] = w.data()[n * K + k];
      }
      // Panels in any order, as threads would.
      for (std::int64_t n = (N - 1) / kPanelS8 * kPanelS8; n >= 0; n -= kPanelS8) {
        pack(packed.data(), w.data(), K, 1, K, n, std::min(N, n + kPanelS8));
      }
      pack(transposed.data(), wt.data(), 1, N, K, 0, N);
      ASSERT_EQ(std::memcmp(packed.data(), transposed.data(), bytes), 0);
      for (std::int64_t n = 0; n < (N + 15) / 16 * 16; ++n) {
        const std::int64_t first = n / kPanelS8 * kPanelS8;
        const std::int64_t pitch = std::min(kPanelS8, (N - first + 15) / 16 * 16);
        const std::int8_t* panel = packed.data() + first * column_bytes_s8(K);
        std::int32_t sum = 0, stored = 0;
        for (std::int64_t k = 0; k < padded_k(K); ++k) {
          const int want = n < N && k < K ? w.data()[n * K + k] : 0;
          ASSERT_EQ(panel[4 * pitch + (k / 4 * pitch + n - first) * 4 + k % 4], want)
              << "N=" << N << " K=" << K << " at " << n << ", " << k;
          sum += want;
        }
        std::memcpy(&stored, panel + (n - first) * 4, 4);
        ASSERT_EQ(stored, -128 * sum) << "N=" << N << " K=" << K << " column " << n;
      }
    }
  }
}

TEST(CheckPackedS8, KnowsWhatNoPackingGives) {
  test::Rng rng(2);
  for (const std::int64_t N : {1, 17, 48, 100}) {
    for (const std::int64_t K : {3, 64, 200}) {
      std::vector<std::int8_t> w(static_cast<std::size_t>(N * K));
      for (std::int8_t& v : w) v = static_cast<std::int8_t>(static_cast<int>(rng() % 255) - 127);
      const auto bytes = static_cast<std::size_t>((N + 15) / 16 * 16 * column_bytes_s8(K));
      GuardedBuffer<std::int8_t> packed(bytes);
      make_table(Isa::kReference).pack_s8(packed.data(), w.data(), K, 1, K, 0, N);
      for (const Isa isa : test::levels()) {
        const CheckPackedS8Fn check = make_table(isa).check_packed_s8;
        EXPECT_TRUE(check(packed.data(), K, 0, N)) << name(isa);
        for (int i = 0; i < 40; ++i) {  // any byte, sums included
          std::int8_t& byte = packed.data()[rng() % bytes];
          const std::int8_t before = std::exchange(byte, static_cast<std::int8_t>(byte + 1));
          EXPECT_FALSE(check(packed.data(), K, 0, N)) << name(isa) << " N=" << N << " K=" << K;
          byte = before;
        }
        // -128 with a sum that fits it.
        std::int8_t* last = packed.data() + bytes - 1;
        const std::int64_t first = (N - 1) / kPanelS8 * kPanelS8;
        const std::int64_t pitch = std::min(kPanelS8, (N - first + 15) / 16 * 16);
        std::int8_t* sum = packed.data() + first * column_bytes_s8(K) + (pitch - 1) * 4;
        const std::int8_t before = *last;
        std::int32_t stored = 0;
        std::memcpy(&stored, sum, 4);
        const std::int32_t changed = stored + 128 * (before + 128);
        *last = -128;
        std::memcpy(sum, &changed, 4);
        EXPECT_FALSE(check(packed.data(), K, 0, N)) << name(isa);
        *last = before;
        std::memcpy(sum, &stored, 4);
      }
    }
  }
}

}  // namespace
}  // namespace linnet::kernels
