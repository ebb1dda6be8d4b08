// Whole encoders on packed batches of random ids: milliseconds a batch and real tokens a second,
// for the model shapes, batch shapes and threads that bench/peers measures other engines with.
#include <benchmark/benchmark.h>

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/rows.h"
#include "engine/models/encoder_session.h"
#include "tools/bench/random_checkpoint.h"

namespace linnet {
namespace {

using bench::RandomModel;

struct Cell {
  const char* name;
  std::vector<std::int64_t> lengths;
};

// 32 lengths drawn from SST-2: 806 tokens, at most 66.
const std::vector<std::int64_t> kRagged{66, 52, 44, 41, 42, 40, 38, 35, 33, 31, 30,
                                        28, 27, 26, 25, 24, 22, 21, 20, 19, 18, 17,
                                        16, 14, 13, 12, 10, 9,  8,  8,  9,  8};

std::vector<Cell> cells() {
  return {{"1x16", {16}},
          {"1x128", {128}},
          {"1x384", {384}},
          {"8x128", std::vector<std::int64_t>(8, 128)},
          {"32x128", std::vector<std::int64_t>(32, 128)},
          {"32ragged", kRagged}};
}

const char* name(Precision precision) { return precision == Precision::kInt8 ? "int8" : "fp32"; }

const EncoderModel& model_of(const RandomModel& shape, kernels::Isa isa, Precision precision) {
  static std::map<std::string, std::unique_ptr<EncoderModel>> models;
  auto& model = models[std::string(shape.name) + kernels::name(isa) + name(precision)];
  if (model == nullptr) {
    const auto directory =
        std::filesystem::temp_directory_path() / ("linnet-bench-" + std::string(shape.name));
    if (!std::filesystem::exists(directory / "model.safetensors")) {
      bench::write_random_checkpoint(directory, std::string(shape.config));
    }
    LoadOptions options;
    options.isa = isa;
    options.threads = available_threads();
    options.precision = precision;
    model = std::make_unique<EncoderModel>(load_encoder(weights::Checkpoint(directory), options));
  }
  return *model;
}

void encoder(benchmark::State& state, const EncoderModel& model, const Cell& cell, int threads) {
  EncoderSession session(model, {.threads = threads});
  std::vector<std::int32_t> tokens, positions;
  std::vector<std::int64_t> starts{0};
  std::mt19937 rng(1);
  for (const std::int64_t length : cell.lengths) {
    for (std::int64_t i = 0; i < length; ++i) {
      tokens.push_back(static_cast<std::int32_t>(rng() % 30000));
      positions.push_back(static_cast<std::int32_t>(i));
    }
    starts.push_back(static_cast<std::int64_t>(tokens.size()));
  }
  const Batch batch{tokens, positions, {}, starts};
  const std::int64_t C = model.head.sequence_classifier.N;
  std::vector<float> logits(static_cast<std::size_t>(batch.B() * C));
  EncoderOutputs out;
  out.sequence_logits = {logits.data(), batch.B(), C, C};
  session.run(batch, out);
  for (auto _ : state) session.run(batch, out);
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(batch.T()),
                                                  benchmark::Counter::kIsIterationInvariantRate);
}

void register_all() {
  for (const RandomModel& shape : bench::kRandomModels) {
    if (shape.name == "gpt2") continue;  // no encoder
    for (const Cell& cell : cells()) {
      for (const kernels::Isa isa : kernels::supported_isas()) {
        if (isa == kernels::Isa::kReference) continue;
        for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
          for (const int threads : {1, 2}) {
            const std::string row = "encoder/" + std::string(shape.name) + "/" + cell.name + "/" +
                                    kernels::name(isa) + "/" + name(precision) +
                                    "/threads:" + std::to_string(threads);
            benchmark::RegisterBenchmark(row.c_str(),
                                         [=](benchmark::State& state) {
                                           encoder(state, model_of(shape, isa, precision), cell,
                                                   threads);
                                         })
                ->Unit(benchmark::kMillisecond)
                ->UseRealTime();
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace linnet

int main(int argc, char** argv) {
  linnet::register_all();
  linnet::bench::add_machine_context();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
