#include "tools/convert/speed_check.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>

#include "engine/models/encoder_session.h"

namespace linnet::tools {
namespace {

constexpr int kRounds = 7, kCalls = 3;

EncoderModel load(const std::string& directory, const QuantizeOptions& options) {
  LoadOptions load;
  load.isa = options.isa;
  load.threads = options.threads;
  return load_encoder(weights::Checkpoint(directory, options.open), load);
}

// The least time of a few calls in a row: the threads of the other session rest by then.
double milliseconds(EncoderSession& session, const Batch& batch) {
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kCalls; ++i) {
    const auto start = std::chrono::steady_clock::now();
    session.for_each_part(batch, [](const Context&, const EncoderSession::Part&) {});
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    least = std::min(least, took.count());
  }
  return least;
}

// The least time of each, as they take turns; the first round is not counted.
std::pair<double, double> least(EncoderSession& a, EncoderSession& b, const Batch& batch) {
  double of_a = std::numeric_limits<double>::infinity(), of_b = of_a;
  for (int i = 0; i <= kRounds; ++i) {
    const double now_a = milliseconds(a, batch), now_b = milliseconds(b, batch);
    if (i == 0) continue;
    of_a = std::min(of_a, now_a);
    of_b = std::min(of_b, now_b);
  }
  return {of_a, of_b};
}

}  // namespace

std::vector<std::string> slower_than_before(const QuantizeOptions& options) {
  const EncoderModel before = load(options.model, options), after = load(options.output, options);
  EncoderSession fp32(before, {.threads = options.threads}),
      int8(after, {.threads = options.threads});
  std::vector<std::string> slower;
  for (const std::int64_t length : {16, 128}) {
    const std::int64_t T = std::min(length, before.config.positions);
    std::vector<std::int32_t> tokens, positions;
    for (std::int64_t t = 0; t < T; ++t) {
      tokens.push_back(static_cast<std::int32_t>(t * 37 % before.config.vocab_size));
      positions.push_back(static_cast<std::int32_t>(t));
    }
    const std::vector<std::int64_t> starts{0, T};
    const auto [was, is] = least(fp32, int8, {tokens, positions, {}, starts});
    if (is <= was) continue;
    char text[160] = {};
    std::snprintf(text, sizeof(text),
                  "INT8 is slower than FP32 on this machine at %lld tokens, level %s, %d threads: "
                  "%.2f times its time",
                  static_cast<long long>(T), kernels::name(before.kernels.isa), options.threads,
                  is / was);
    slower.emplace_back(text);
  }
  return slower;
}

}  // namespace linnet::tools
