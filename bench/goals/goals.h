#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "tools/bench/gemm_case.h"

// What the products aim at, as data. A ratio is the competitor's time to ours.
namespace linnet::bench {

/// Kinds of machine with goals of their own.
enum class Machine : std::uint8_t { kAvx512Vnni, kAmx };

enum class Rival : std::uint8_t {
  kLibrary,    // capped to the level's instructions
  kOneThread,  // the same on one thread, ours on two
  kOurF32,     // our FP32 product of the same level
};

enum class Shapes : std::uint8_t {
  kModels,      // kProducts
  kInL2,        // those of them whose weights fill no more than 3/4 of the L2 cache
  kVocabulary,  // N = 50257
  kSquare,      // 768×768
};

enum class Quantity : std::uint8_t {
  kRatio,        // geometric mean of the paired ratios, and the worst cell
  kPeakShare,    // geometric mean of the shares of the peak probed beside
  kGops,         // geometric mean of 10^9 operations a second
  kMemoryShare,  // geometric mean of the shares that reading the weights takes of a linear read
};

struct Target {
  Quantity quantity = Quantity::kRatio;
  double goal = 0;   // 0: no target
  double floor = 0;  // of every cell
};

/// One row of the table: cells that are measured together, and up to two targets for them.
struct Goal {
  const char* group;  // for --only
  const char* what;
  NumberType type = NumberType::kS8;
  kernels::Isa isa = kernels::Isa::kReference;  // this: the best of the machine
  std::array<std::int64_t, 4> rows = {};        // M; 0: none
  Shapes shapes = Shapes::kModels;
  bool cold = false;
  PageSize pages = PageSize::k2M;
  Epilogue epilogue = Epilogue::kNone;
  Rival rival = Rival::kLibrary;
  std::array<Target, 2> targets = {};
};

std::span<const Goal> goals(Machine machine);

}  // namespace linnet::bench
