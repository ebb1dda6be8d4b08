#pragma once

#include <optional>
#include <string>

#include "engine/core/parallel.h"
#include "kernels/kernel_table.h"

namespace linnet {

/// What an operation runs with: the kernels of one level and the threads of one session.
struct Context {
  const kernels::KernelTable& kernels;
  Threads& threads;
};

/// The level to run at: `wanted` if given, else the environment's LINNET_ISA, else the best of this
/// machine. Throws kInvalidArgument for an unknown name, kUnsupported for a level that this machine
/// cannot run and on machines below x86-64-v3.
kernels::Isa choose_isa(const std::optional<std::string>& wanted = std::nullopt);

}  // namespace linnet
