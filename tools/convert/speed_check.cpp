#include "tools/convert/speed_check.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <utility>

#include "engine/core/function_ref.h"
#include "engine/models/encoder_session.h"
#include "engine/models/gpt2_session.h"
#include "engine/models/model_description.h"

namespace linnet::tools {
namespace {

constexpr int kRounds = 7, kCalls = 3;

using Run = FunctionRef<void(const Batch&)>;

// The least time of a few calls in a row: the threads of the other session rest by then.
double milliseconds(Run run, const Batch& batch) {
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kCalls; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run(batch);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    least = std::min(least, took.count());
  }
  return least;
}

// The least time of each, as they take turns; the first round is not counted.
std::pair<double, double> least(Run a, Run b, const Batch& batch) {
  double of_a = std::numeric_limits<double>::infinity(), of_b = of_a;
  for (int i = 0; i <= kRounds; ++i) {
    const double now_a = milliseconds(a, batch), now_b = milliseconds(b, batch);
    if (i == 0) continue;
    of_a = std::min(of_a, now_a);
    of_b = std::min(of_b, now_b);
  }
  return {of_a, of_b};
}

// The lengths at which `after` takes longer than `before`, in words.
std::vector<std::string> compare(Run before, Run after, const ModelDescription& d,
                                 const QuantizeOptions& options) {
  std::vector<std::string> slower;
  for (const std::int64_t length : {16, 128}) {
    const std::int64_t T = std::min(length, d.positions);
    std::vector<std::int32_t> tokens, positions;
    for (std::int64_t t = 0; t < T; ++t) {
      tokens.push_back(static_cast<std::int32_t>(t * 37 % d.vocab_size));
      positions.push_back(static_cast<std::int32_t>(t));
    }
    const std::vector<std::int64_t> starts{0, T};
    const auto [was, is] = least(before, after, {tokens, positions, {}, starts});
    if (is <= was) continue;
    char text[160] = {};
    std::snprintf(text, sizeof(text),
                  "INT8 is slower than FP32 on this machine at %lld tokens, level %s, %d threads: "
                  "%.2f times its time",
                  static_cast<long long>(T), kernels::name(options.isa), options.threads, is / was);
    slower.emplace_back(text);
  }
  return slower;
}

}  // namespace

std::vector<std::string> slower_than_before(const QuantizeOptions& options) {
  LoadOptions load;
  load.isa = options.isa;
  load.threads = options.threads;
  const SessionOptions session{.threads = options.threads};
  weights::Checkpoint from(options.model, options.open), to(options.output, options.open);
  const ModelDescription description = describe_model(from.config());
  if (is_gpt2(from.config())) {
    const Gpt2Model before = load_gpt2(std::move(from), load),
                    after = load_gpt2(std::move(to), load);
    Gpt2Session fp32(before, session), int8(after, session);
    const auto ignore = [](const Context&, const Gpt2Session::Part&) {};
    return compare([&](const Batch& batch) { fp32.for_each_part(batch, {}, ignore); },
                   [&](const Batch& batch) { int8.for_each_part(batch, {}, ignore); }, description,
                   options);
  }
  const EncoderModel before = load_encoder(std::move(from), load),
                     after = load_encoder(std::move(to), load);
  EncoderSession fp32(before, session), int8(after, session);
  const auto ignore = [](const Context&, const EncoderSession::Part&) {};
  return compare([&](const Batch& batch) { fp32.for_each_part(batch, ignore); },
                 [&](const Batch& batch) { int8.for_each_part(batch, ignore); }, description,
                 options);
}

}  // namespace linnet::tools
