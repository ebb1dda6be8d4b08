#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/parallel.h"
#include "kernels/kernel_table.h"

namespace linnet {

/// Memory that an operation may use while it runs.
struct Scratch {
  std::byte* data = nullptr;  // 64-byte aligned
  std::int64_t bytes = 0;
};

/// What the products of a model's layers are computed in.
enum class Precision {
  kFloat32,   ///< FP32: the same bytes at every level
  kBfloat16,  ///< operands rounded to BF16: outside the promise of the same bytes
  kInt8,      ///< operands quantised by row and by channel: the same bytes at every level
};

/// What an operation runs with: the kernels of one level, the threads of one session, and the
/// memory that linear() needs for the kinds of layers it is given (linear_scratch_bytes()).
struct Context {
  const kernels::KernelTable& kernels;
  Threads& threads;
  Scratch scratch{};
  Precision products = Precision::kFloat32;  // of dense() and its like: not kInt8
};

/// Whose products a model's layers are computed with.
enum class Backend {
  kLinnet,  ///< the kernels of this project
  kOneDnn,  ///< oneDNN's, in a plug-in (engine/backends): outside the promise of the same bytes
};

/// The level to run at: `wanted` if given, else the environment's LINNET_ISA, else the best of this
/// machine. Throws kInvalidArgument for an unknown name, kUnsupported for a level that this machine
/// cannot run and on machines below x86-64-v3.
kernels::Isa choose_isa(const std::optional<std::string>& wanted = std::nullopt);

}  // namespace linnet
