#include "bench/peers/encoder_worker.h"

#include <cstdint>

#include "engine/models/encoder_session.h"
#include "weights/base/error.h"

namespace linnet::bench {
namespace {

LoadOptions load_options(int threads, Precision precision) {
  LoadOptions options;
  options.isa = choose_isa();
  options.threads = threads;
  // INT8 is what the directory has.
  options.precision = precision == Precision::kInt8 ? Precision::kFloat32 : precision;
  options.head = HeadKind::kSequenceClassification;
  return options;
}

class EncoderWorker : public Worker {
 public:
  EncoderWorker(const std::string& directory, int threads, Precision precision)
      : isa_(choose_isa()),
        model_(load_encoder(weights::Checkpoint(directory), load_options(threads, precision))),
        session_(model_, {.threads = threads}) {
    if (model_.precision != precision) {
      throw Error(ErrorCode::kInvalidArgument, directory + ": in another precision");
    }
  }

  std::string answer(std::string_view op, json::Value request) override {
    if (op == "batch") return take(request);
    if (op == "run") return run(request.at("seconds").number());
    if (op == "about") {
      return std::string(R"("versions":{"linnet":")") + kernels::name(isa_) + R"("},"peak_kb":)" +
             std::to_string(peak_kb());
    }
    throw Error(ErrorCode::kInvalidArgument, "an encoder answers batch, run and about");
  }

 private:
  /// Packs a batch and runs it once: its answer, and the first call of the shape.
  std::string take(json::Value request) {
    tokens_.clear(), positions_.clear(), starts_.assign(1, 0);
    for (const json::Value row : request.at("ids").elements()) {
      std::int32_t position = 0;
      for (const json::Value id : row.elements()) {
        tokens_.push_back(static_cast<std::int32_t>(id.integer(0, model_.config.vocab_size - 1)));
        positions_.push_back(position++);
      }
      starts_.push_back(static_cast<std::int64_t>(tokens_.size()));
    }
    const std::int64_t B = static_cast<std::int64_t>(starts_.size()) - 1;
    const std::int64_t C = model_.head.sequence_classifier.N;
    logits_.assign(static_cast<std::size_t>(B * C), 0);
    call();
    std::string text;
    for (std::int64_t b = 0; b < B; ++b) {
      if (b > 0) text += ',';
      text += json_array(
          std::span(logits_).subspan(static_cast<std::size_t>(b * C), static_cast<std::size_t>(C)));
    }
    return "\"logits\":[" + text + "]";
  }

  std::string run(double wanted) {
    if (starts_.size() < 2) throw Error(ErrorCode::kInvalidArgument, "run: there is no batch yet");
    std::vector<double> ms;
    const double end = seconds() + wanted;
    do {
      const double start = seconds();
      call();
      ms.push_back((seconds() - start) * 1e3);
    } while (seconds() < end);
    return "\"ms\":" + json_array(ms);
  }

  /// What is timed: from ids to logits.
  void call() {
    const Batch batch{tokens_, positions_, {}, starts_};
    const std::int64_t C = model_.head.sequence_classifier.N;
    EncoderOutputs out;
    out.sequence_logits = {logits_.data(), batch.B(), C, C};
    session_.run(batch, out);
  }

  kernels::Isa isa_;
  EncoderModel model_;
  EncoderSession session_;
  std::vector<std::int32_t> tokens_, positions_;
  std::vector<std::int64_t> starts_;
  std::vector<float> logits_;
};

}  // namespace

std::unique_ptr<Worker> make_encoder_worker(const std::string& directory, int threads,
                                            Precision precision) {
  return std::make_unique<EncoderWorker>(directory, threads, precision);
}

}  // namespace linnet::bench
