#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tools/bench/gemm_case.h"

// What the cases of all number types share.
namespace linnet::bench {

inline constexpr std::size_t kBorder = 4096;  // copies of weights begin on pages

inline std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Numbers in [-0.5, 0.5), always the same.
inline void fill(float* x, std::int64_t n, std::uint32_t state) {
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    x[i] = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
  }
}

inline void fill(std::int8_t* x, std::int64_t n, std::uint32_t state) {
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    x[i] = static_cast<std::int8_t>(static_cast<int>((state >> 8) % 255) - 127);
  }
}

/// Copies of packed weights, one after the other.
class Copies {
 public:
  Copies(std::int64_t bytes, std::int64_t count, PageSize pages)
      : stride_((size(bytes) + kBorder - 1) / kBorder * kBorder),
        count_(count),
        memory_(stride_ * size(count), pages) {}
  std::byte* first() { return memory_.data(); }
  /// After the first one has been written.
  void multiply() {
    for (std::int64_t c = 1; c < count_; ++c) {
      std::memcpy(memory_.data() + size(c) * stride_, memory_.data(), stride_);
    }
  }
  const std::byte* next() {
    turn_ = (turn_ + 1) % count_;
    return memory_.data() + size(turn_) * stride_;
  }

 private:
  std::size_t stride_;
  std::int64_t count_, turn_ = -1;
  Pages<std::byte> memory_;
};

/// f(n_begin, n_end) for each thread's columns of N, which begin at multiples of `step`.
template <class F>
void for_columns(Threads& threads, std::int64_t N, std::int64_t step, F&& f) {
  parallel_for(threads, (N + step - 1) / step, 1, [&](std::int64_t begin, std::int64_t end, int) {
    f(begin * step, std::min(end * step, N));
  });
}

/// Whether y [rows, N] agrees with `want` [rows, N] in columns [begin, end), bit for bit.
inline bool equal(const float* y, const float* want, std::int64_t rows, std::int64_t N,
                  std::int64_t begin, std::int64_t end) {
  for (std::int64_t m = 0; m < rows; ++m) {
    if (std::memcmp(y + m * N + begin, want + m * N + begin, size(end - begin) * 4) != 0) {
      return false;
    }
  }
  return true;
}

/// Whether y [rows, N] is as near to `want` as sums of K products in another order are, in columns
/// [begin, end): |error| <= K·2^-23·(sum of |x·w|), which is at most K/4 for numbers up to 0.5.
inline bool near(const float* y, const float* want, std::int64_t rows, std::int64_t N,
                 std::int64_t K, std::int64_t begin, std::int64_t end) {
  const auto terms = static_cast<float>(K);
  const float bound = terms * 0x1p-23f * (terms * 0.25f + 1);
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t n = begin; n < end; ++n) {
      if (!(std::abs(y[m * N + n] - want[m * N + n]) <= bound)) return false;
    }
  }
  return true;
}

/// Calls run(first row, rows, n_begin, n_end, want), which computes a sample by the reference into
/// want [rows, N], for up to 3 first and 3 last rows and about 100 first and last columns, and
/// calls same(y of the first row, want, rows, begin, end).
template <class Run, class Same>
bool samples_agree(const float* y, std::int64_t M, std::int64_t N, std::int64_t step, Run run,
                   Same same) {
  const std::int64_t rows = std::min<std::int64_t>(M, 3);
  std::vector<float> want(size(rows * N));
  const std::int64_t width = (96 + step - 1) / step * step;
  const std::int64_t last = std::max<std::int64_t>(N - 1, 0) / step * step;
  for (const std::int64_t first : {std::int64_t{0}, M - rows}) {
    const std::int64_t begins[] = {0, std::max<std::int64_t>(last - width, 0)};
    const std::int64_t ends[] = {std::min(width, N), N};
    for (int side = 0; side < 2; ++side) {
      run(first, rows, begins[side], ends[side], want.data());
      if (!same(y + first * N, want.data(), rows, begins[side], ends[side])) return false;
    }
  }
  return true;
}

std::unique_ptr<GemmCase> make_gemm_case_f32(const GemmProblem& problem);
std::unique_ptr<GemmCase> make_gemm_case_s8(const GemmProblem& problem);
std::unique_ptr<GemmCase> make_gemm_case_bf16(const GemmProblem& problem);

}  // namespace linnet::bench
