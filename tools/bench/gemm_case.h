#pragma once

#include <cstdint>
#include <memory>

#include "engine/core/parallel.h"
#include "kernels/kernel_table.h"
#include "tools/bench/pages.h"

namespace linnet::bench {

enum class NumberType : std::uint8_t { kF32, kS8, kBf16 };

/// "f32", "s8", "bf16".
const char* name(NumberType type);

/// What follows the product and its bias.
enum class Epilogue : std::uint8_t {
  kNone,
  kGelu,
  kRequantize,  // kS8 alone: gelu_q, then INT8 rows with a scale for each
};

/// y [M, N] = x [M, K]·Wᵀ + bias, at one level.
struct GemmProblem {
  NumberType type = NumberType::kF32;
  kernels::Isa isa = kernels::Isa::kReference;
  std::int64_t M = 1, N = 1, K = 1;
  std::int64_t copies = 1;  // of the weights: one stays in the caches, many do not
  PageSize pages = PageSize::k2M;
  Epilogue epilogue = Epilogue::kNone;
  bool non_negative = false;  // x
};

/// The numbers of a product, for another library that computes it.
struct GemmOperands {
  const void* x = nullptr;  // [M, ldx]: float, the bits of BF16, or INT8 plus `shift`
  std::int64_t ldx = 0;
  const void* w = nullptr;         // [N, K]: float, which kBf16 rounds, or INT8
  const float* bias = nullptr;     // [N]
  const float* w_scale = nullptr;  // [N], INT8 alone
  float x_scale = 0;               // of every row, INT8 alone
  std::uint8_t shift = 0;
};

/// One product with its operands, ready to run. Packing and the quantising of x are done before.
class GemmCase {
 public:
  virtual ~GemmCase() = default;
  /// The product, with the next copy of the weights; each thread has its own columns.
  virtual void run(Threads& threads) = 0;
  /// Of the last run: whether samples of y (its first and last rows and columns) have the bytes
  /// that the reference level gives; BF16: whether they are as near as the rounding of the sums
  /// allows. y must have been computed.
  virtual bool agrees() const = 0;
  virtual GemmOperands operands() const = 0;
  /// y [M, N] of the last run; requantised rows as the numbers that they stand for.
  virtual const float* y() const = 0;
  /// Bytes of one copy of the weights as they are read.
  virtual std::int64_t weight_bytes() const = 0;
};

/// Throws std::bad_alloc when the operands do not fit into memory.
std::unique_ptr<GemmCase> make_gemm_case(const GemmProblem& problem);

/// Where a table of level `isa` has its product of this type from.
kernels::SlotInfo provider(NumberType type, kernels::Isa isa);

/// The most operations a second of the product that such a table has, in 10^9 by one thread: of the
/// probes in machine.h the one for its instructions.
double peak_gops(NumberType type, kernels::Isa isa);

/// Copies of the weights of a product, so that they are in no cache when they are read again: those
/// of 256 MB.
std::int64_t cold_copies(NumberType type, std::int64_t N, std::int64_t K);

}  // namespace linnet::bench
