#pragma once

#include <cstdint>
#include <memory>

#include "engine/core/parallel.h"
#include "kernels/kernel_table.h"
#include "tools/bench/pages.h"

namespace linnet::bench {

enum class NumberType : std::uint8_t { kF32, kS8 };

/// "f32", "s8".
const char* name(NumberType type);

/// y [M, N] = x [M, K]·Wᵀ + bias, at one level.
struct GemmProblem {
  NumberType type = NumberType::kF32;
  kernels::Isa isa = kernels::Isa::kReference;
  std::int64_t M = 1, N = 1, K = 1;
  std::int64_t copies = 1;  // of the weights: one stays in the caches, many do not
  PageSize pages = PageSize::k2M;
};

/// One product with its operands, ready to run. Packing and the quantising of x are done before.
class GemmCase {
 public:
  virtual ~GemmCase() = default;
  /// The product, with the next copy of the weights; each thread has its own columns.
  virtual void run(Threads& threads) = 0;
  /// Of the last run: whether samples of y (its first and last rows and columns) have the bytes
  /// that the reference level gives. y must have been computed.
  virtual bool same_bits() const = 0;
  /// Bytes of one copy of the weights as they are read.
  virtual std::int64_t weight_bytes() const = 0;
};

/// Throws std::bad_alloc when the operands do not fit into memory.
std::unique_ptr<GemmCase> make_gemm_case(const GemmProblem& problem);

/// The level whose product of this type a table of level `isa` has.
kernels::Isa provider(NumberType type, kernels::Isa isa);

/// Copies of the weights of a product, so that they are in no cache when they are read again: those
/// of 256 MB.
std::int64_t cold_copies(NumberType type, std::int64_t N, std::int64_t K);

}  // namespace linnet::bench
