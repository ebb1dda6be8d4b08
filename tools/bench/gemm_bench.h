#pragma once

#include <functional>

#include "tools/bench/gemm_case.h"
#include "tools/bench/opponent.h"
#include "tools/bench/record.h"
#include "tools/bench/shapes.h"

namespace linnet::bench {

/// What is measured: every combination of the lists.
struct GemmBench {
  std::vector<NumberType> types;
  std::vector<kernels::Isa> isas;  // take turns in each combination of the others
  std::vector<Product> products;
  std::vector<std::int64_t> rows;  // M
  std::vector<bool> cold;          // weights
  std::vector<PageSize> pages;
  std::vector<int> threads;
  std::vector<const OpponentLibrary*> against;  // after the levels, on one thread
  int repetitions = 1;

  std::int64_t cases() const;
};

/// A row for each case. `done` is called after each with the number of those done; what it throws
/// ends the run.
std::vector<Record> run(const GemmBench& bench, double memory_gbytes,
                        const std::function<void(std::int64_t)>& done);

}  // namespace linnet::bench
