#pragma once

#include <memory>
#include <string>

#include "tools/bench/gemm_case.h"

// Other libraries, computing a product of ours on the calling thread.
namespace linnet::bench {

class Opponent {
 public:
  virtual ~Opponent() = default;
  /// The product, with the next copy of the weights.
  virtual void run() = 0;
  /// The greatest difference of the last result from y [M, N].
  virtual double difference(const float* y) const = 0;
};

/// A library that computes products.
struct OpponentLibrary {
  const char* name;
  bool (*takes)(NumberType type, Epilogue epilogue);
  /// Once, before anything else: only the instructions that level `isa` has too. Throws
  /// kUnsupported where the library is not there.
  void (*cap)(kernels::Isa isa);
  std::string (*version)();
  /// The same numbers as `ours`, which has run once and stays alive.
  std::unique_ptr<Opponent> (*make)(const GemmProblem& problem, const GemmCase& ours);
};

}  // namespace linnet::bench
