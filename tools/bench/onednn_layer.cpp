#include "tools/bench/onednn_layer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "engine/backends/onednn.h"
#include "tools/bench/pages.h"

namespace linnet::bench {
namespace {

using kernels::Isa;

/// Opened once, with what the environment says at that moment.
const onednn::Plugin& plugin() {
  static const onednn::Plugin one = onednn::Plugin::open();
  return one;
}

class OneDnnLayers final : public Opponent {
 public:
  OneDnnLayers(const GemmProblem& p, const GemmCase& ours)
      : p_(p),
        operands_(ours.operands()),
        x_scale_(static_cast<std::size_t>(p.M), operands_.x_scale),
        y_(static_cast<std::size_t>(p.M * p.N), p.pages) {
    const LinnetOneDnnLayerArgs args = {.type = p.type == NumberType::kF32  ? kLinnetOneDnnF32
                                                : p.type == NumberType::kS8 ? kLinnetOneDnnS8
                                                                            : kLinnetOneDnnBf16,
                                        .N = p.N,
                                        .K = p.K,
                                        .weights = operands_.w,
                                        .weight_scale = operands_.w_scale,
                                        .bias = operands_.bias};
    for (std::int64_t c = 0; c < p.copies; ++c) layers_.emplace_back(plugin(), args);
    if (p.type == NumberType::kS8) unshift();
  }

  void run() override {
    LinnetOneDnnRunArgs args = {};
    args.M = p_.M;
    args.x = x_.empty() ? operands_.x : x_.data();
    args.ldx = x_.empty() ? operands_.ldx : p_.K;
    args.x_scale = x_.empty() ? nullptr : x_scale_.data();
    args.y = y_.data(), args.ldy = p_.N;
    layers_[turn_++ % layers_.size()].run(alone_, args);
  }

  double difference(const float* y) const override {
    double worst = 0;
    for (std::int64_t i = 0; i < p_.M * p_.N; ++i) {
      worst = std::max(worst, std::abs(double{y[i]} - y_.data()[i]));
    }
    return worst;
  }

 private:
  /// INT8 rows without their padding and shift.
  void unshift() {
    const auto* q = static_cast<const std::uint8_t*>(operands_.x);
    for (std::int64_t m = 0; m < p_.M; ++m) {
      for (std::int64_t k = 0; k < p_.K; ++k) {
        x_.push_back(static_cast<std::int8_t>(q[m * operands_.ldx + k] - operands_.shift));
      }
    }
  }

  GemmProblem p_;
  GemmOperands operands_;
  std::vector<float> x_scale_;
  std::vector<std::int8_t> x_;  // INT8 alone
  Pages<float> y_;
  Threads alone_{1};
  std::vector<onednn::Layer> layers_;
  std::size_t turn_ = 0;
};

/// oneDNN reads the variable when it is used first.
void cap(Isa isa) {
  const char* most = isa == Isa::kAvxVnni  ? "AVX2_VNNI"
                     : isa < Isa::kAvx512  ? "AVX2"
                     : isa == Isa::kAvx512 ? "AVX512_CORE"
                                           : nullptr;
  if (most != nullptr) setenv("ONEDNN_MAX_CPU_ISA", most, 1);
  plugin();
}

}  // namespace

const OpponentLibrary kOneDnnLayers = {
    .name = "onednn",
    .takes = [](NumberType, Epilogue epilogue) { return epilogue == Epilogue::kNone; },
    .cap = cap,
    .version = [] { return "oneDNN " + plugin().version(); },
    .make = [](const GemmProblem& problem, const GemmCase& ours) -> std::unique_ptr<Opponent> {
      return std::make_unique<OneDnnLayers>(problem, ours);
    },
};

}  // namespace linnet::bench
