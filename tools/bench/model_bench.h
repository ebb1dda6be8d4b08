#pragma once

#include <filesystem>
#include <functional>

#include "engine/models/encoder_model.h"
#include "tools/bench/record.h"

namespace linnet::bench {

/// What is measured of one model: every combination of the lists.
struct ModelBench {
  std::filesystem::path directory;
  weights::OpenOptions open = {};
  std::string model_name;
  std::vector<Precision> precisions;  // take turns in each combination of the others
  std::vector<kernels::Isa> isas;
  std::vector<int> threads;
  std::vector<std::int64_t> batch_sizes;  // sequences
  std::vector<std::int64_t> lengths;      // tokens of each
  std::int64_t tokens_per_pass = 0;       // 0: the session's default
  int repetitions = 1;

  std::int64_t cases() const;
};

/// "fp32", "bf16", "int8".
const char* name(Precision precision);

/// A row for each case: the model without its head on random ids, tokenization excluded. `done`
/// as in run(GemmBench). Throws what loading throws, and kInvalidArgument for a length that the
/// model does not take.
std::vector<Record> run(const ModelBench& bench, const std::function<void(std::int64_t)>& done);

/// What `rows` of run(ModelBench) say against their precision: a sentence for each row that is
/// slower than the FP32 of the same work.
std::vector<std::string> slower_than_fp32(const std::vector<Record>& rows);

}  // namespace linnet::bench
