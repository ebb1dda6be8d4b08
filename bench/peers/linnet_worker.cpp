// linnet_worker machine
// linnet_worker encoder|generator DIRECTORY THREADS fp32|bf16|int8|int4
// linnet_worker trainer DIRECTORY THREADS fp32|bf16
// linnet_worker tokenizer DIRECTORY THREADS encode|ids
//
// The process of linnet among those that peers.py measures: a JSON request on a line of standard
// input, a JSON reply on a line of standard output. `machine` prints clock, FP32 peak and reads
// from memory by one and by two threads, and ends.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "bench/peers/encoder_worker.h"
#include "bench/peers/generator_worker.h"
#include "bench/peers/tokenizer_worker.h"
#include "bench/peers/training_worker.h"
#include "engine/core/memory.h"
#include "engine/core/parallel.h"
#include "tools/bench/machine.h"
#include "weights/base/error.h"

namespace linnet::bench {

double seconds() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

std::int64_t peak_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  }
  return 0;
}

namespace {

std::optional<Precision> precision_of(const std::string& mode) {
  if (mode == "fp32") return Precision::kFloat32;
  if (mode == "bf16") return Precision::kBfloat16;
  if (mode == "int8" || mode == "int4") return Precision::kInt8;  // what the directory has
  return std::nullopt;
}

std::unique_ptr<Worker> make_worker(const std::string& kind, const std::string& directory,
                                    int threads, const std::string& mode) {
  if (const auto precision = precision_of(mode)) {
    if (kind == "encoder") return make_encoder_worker(directory, threads, *precision);
    if (kind == "generator") return make_generator_worker(directory, threads, *precision);
    if (kind == "trainer") return make_training_worker(directory, threads, *precision);
  }
  if (kind == "tokenizer" && mode == "encode") {
    return make_tokenizer_worker(directory, threads, TokenizerMode::kEverything);
  }
  if (kind == "tokenizer" && mode == "ids") {
    return make_tokenizer_worker(directory, threads, TokenizerMode::kIds);
  }
  throw Error(ErrorCode::kInvalidArgument, "no worker: " + kind + " " + mode);
}

/// A message as the inside of a JSON string.
std::string escaped(std::string_view message) {
  std::string text;
  for (const char c : message) {
    if (c == '"' || c == '\\') text += '\\';
    text += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return text;
}

void serve(Worker& worker) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::string reply;
    try {
      const json::Document request =
          json::parse(line, "request", std::numeric_limits<std::int32_t>::max());
      const std::string_view op = request.root().at("op").string();
      reply = worker.answer(op, request.root());
    } catch (const Error& error) {
      reply = "\"error\":\"" + escaped(error.what()) + "\"";
    }
    std::cout << '{' << reply << '}' << std::endl;
  }
}

/// Linear reads by two threads, each of its own half, in GB/s.
double memory_gbytes_of_two() {
  constexpr std::int64_t kBytes = std::int64_t{512} << 20;
  const Block memory(kBytes);
  std::fill_n(memory.data(), kBytes, std::byte{1});
  Threads threads(2);
  double least = 1e9;
  for (int i = 0; i < 5; ++i) {
    const double start = seconds();
    parallel_for(threads, 2, 1, [&](std::int64_t begin, std::int64_t end, int) {
      read_linearly(reinterpret_cast<const std::uint8_t*>(memory.data()) + begin * kBytes / 2,
                    static_cast<std::size_t>((end - begin) * kBytes / 2));
    });
    least = std::min(least, seconds() - start);
  }
  return static_cast<double>(kBytes) / least * 1e-9;
}

void print_machine() {
  const kernels::Isa isa = kernels::supported_isas().back();
  std::printf(
      "{\"isa\":\"%s\",\"clock_ghz\":%.3f,\"peak_gflops\":%.1f,\"memory_gbytes\":%.1f,"
      "\"memory_gbytes_2\":%.1f}\n",
      kernels::name(isa), clock_ghz(), peak_gflops(isa), memory_gbytes(), memory_gbytes_of_two());
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "machine") {
    linnet::bench::print_machine();
    return 0;
  }
  if (argc != 5) {
    std::cerr
        << "usage: linnet_worker machine | encoder|generator|trainer|tokenizer DIRECTORY THREADS "
           "MODE\n";
    return 2;
  }
  try {
    const int threads = std::stoi(argv[3]);
    linnet::bench::serve(*linnet::bench::make_worker(argv[1], argv[2], threads, argv[4]));
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
  }
}
