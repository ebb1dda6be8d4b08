// Dimension key: V vocabulary.
#include "bench/peers/generator_worker.h"

#include <cstdint>
#include <numeric>
#include <vector>

#include "engine/generate/generator.h"
#include "weights/base/error.h"

namespace linnet::bench {
namespace {

LoadOptions load_options(int threads, Precision precision) {
  LoadOptions options;
  options.isa = choose_isa();
  options.threads = threads;
  // INT8 is what the directory has.
  options.precision = precision == Precision::kInt8 ? Precision::kFloat32 : precision;
  return options;
}

using Prompts = std::vector<std::vector<std::int32_t>>;

class GeneratorWorker : public Worker {
 public:
  GeneratorWorker(const std::string& directory, int threads, Precision precision)
      : isa_(choose_isa()),
        model_(load_gpt2(weights::Checkpoint(directory), load_options(threads, precision))),
        session_(model_, {.threads = threads}),
        generator_(session_) {
    if ((precision == Precision::kInt8) != (model_.precision == Precision::kInt8)) {
      throw Error(ErrorCode::kInvalidArgument, directory + ": in another precision");
    }
  }

  std::string answer(std::string_view op, json::Value request) override {
    if (op == "batch") return last_logits(read(request));
    if (op == "generate") {
      return generate(read(request), request.at("tokens").integer(1, model_.config.n_positions));
    }
    if (op == "about") {
      return std::string(R"("versions":{"linnet":")") + kernels::name(isa_) + R"("},"peak_kb":)" +
             std::to_string(peak_kb());
    }
    throw Error(ErrorCode::kInvalidArgument, "a generator answers batch, generate and about");
  }

 private:
  Prompts read(json::Value request) const {
    Prompts prompts;
    for (const json::Value row : request.at("ids").elements()) {
      std::vector<std::int32_t>& ids = prompts.emplace_back();
      for (const json::Value id : row.elements()) {
        ids.push_back(static_cast<std::int32_t>(id.integer(0, model_.config.vocab_size - 1)));
      }
    }
    return prompts;
  }

  /// The logits after the last token of each row.
  std::string last_logits(const Prompts& prompts) {
    const std::int64_t V = model_.config.vocab_size;
    std::vector<float> logits(static_cast<std::size_t>(V));
    std::string text;
    for (const std::vector<std::int32_t>& ids : prompts) {
      const auto n = static_cast<std::int64_t>(ids.size());
      std::vector<std::int32_t> positions(ids.size());
      std::iota(positions.begin(), positions.end(), 0);
      const std::vector<std::int64_t> starts{0, n}, rows{n - 1};
      Gpt2Outputs out;
      out.vocabulary_logits = {logits.data(), 1, V, V};
      out.vocabulary_rows = rows;
      session_.run({ids, positions, {}, starts}, {}, out);
      if (!text.empty()) text += ',';
      text += json_array(logits);
    }
    return "\"logits\":[" + text + "]";
  }

  /// What is timed: from the ids of prompts to those of `tokens` new tokens each.
  std::string generate(const Prompts& prompts, std::int64_t tokens) {
    GenerationParameters parameters;
    parameters.max_new_tokens = tokens;
    const double start = seconds();
    const std::vector<GeneratedSequence> sequences = generator_.generate(prompts, parameters);
    const double ms = (seconds() - start) * 1e3;
    std::string text;
    for (const GeneratedSequence& sequence : sequences) {
      if (!text.empty()) text += ',';
      text += json_array(sequence.tokens);
    }
    return "\"ms\":" + json_array(std::vector{ms}) + ",\"tokens\":[" + text + "]";
  }

  kernels::Isa isa_;
  Gpt2Model model_;
  Gpt2Session session_;
  Generator generator_;
};

}  // namespace

std::unique_ptr<Worker> make_generator_worker(const std::string& directory, int threads,
                                              Precision precision) {
  return std::make_unique<GeneratorWorker>(directory, threads, precision);
}

}  // namespace linnet::bench
