// Two ways to use two cores: one session on two threads, or two sessions on a thread each, side by
// side over one model. Batches a second of all-MiniLM-L6-v2's shape with random weights, in turns
// of 100 ms; above 1, two sessions bring more.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>
#include <thread>
#include <vector>

#include "engine/models/encoder_session.h"
#include "tools/bench/machine.h"
#include "tools/bench/random_checkpoint.h"

namespace linnet::bench {
namespace {

constexpr std::chrono::milliseconds kTurn{100};
constexpr int kRounds = 20;

struct Work {
  std::vector<std::int32_t> tokens, positions;
  std::vector<std::int64_t> starts{0};

  Work(int sequences, int length) {
    std::mt19937 rng(1);
    for (int b = 0; b < sequences; ++b) {
      for (int i = 0; i < length; ++i) {
        tokens.push_back(static_cast<std::int32_t>(rng() % 30000));
        positions.push_back(i);
      }
      starts.push_back(static_cast<std::int64_t>(tokens.size()));
    }
  }
  Batch batch() const { return {tokens, positions, {}, starts}; }
};

// Batches a second of one session.
double rate(EncoderSession& session, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  int runs = 0;
  do {
    session.run(work.batch(), {});
    ++runs;
  } while (std::chrono::steady_clock::now() - start < kTurn);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return runs / time.count();
}

void compare(const EncoderModel& model, int sequences, int length) {
  const Work work(sequences, length);
  EncoderSession both(model, {.threads = 2});
  EncoderSession left(model, {.threads = 1}), right(model, {.threads = 1});
  std::vector<double> one, two, ratio;
  for (int i = 0; i < kRounds; ++i) {
    one.push_back(rate(both, work));
    double beside = 0;
    std::thread other([&] { beside = rate(right, work); });
    const double here = rate(left, work);
    other.join();
    two.push_back(here + beside);
    ratio.push_back(two.back() / one.back());
  }
  std::sort(ratio.begin(), ratio.end());
  std::printf("%4dx%-4d  %8.1f  %8.1f  %6.3f  %6.3f\n", sequences, length,
              *std::max_element(one.begin(), one.end()), *std::max_element(two.begin(), two.end()),
              ratio[kRounds / 4], ratio[kRounds / 2]);
}

void run() {
  const RandomModel& shape = kRandomModels[2];  // minilm
  const auto directory = std::filesystem::temp_directory_path() / "linnet-bench-minilm";
  if (!std::filesystem::exists(directory / "model.safetensors")) {
    write_random_checkpoint(directory, std::string(shape.config));
  }
  LoadOptions options;
  options.isa = choose_isa();
  const EncoderModel model = load_encoder(weights::Checkpoint(directory), options);
  std::printf("# level %s, clock %.2f GHz\n", kernels::name(options.isa), clock_ghz());
  std::printf("#           2 threads  2 sessions  p25     p50\n");
  for (const int length : {16, 128, 384}) compare(model, 1, length);
  compare(model, 8, 128);
}

}  // namespace
}  // namespace linnet::bench

int main() { linnet::bench::run(); }
