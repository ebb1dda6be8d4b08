// How near a sentence model in INT8 is to itself in FP32, for every recipe, on the lines of a file:
//   bench_int8_quality MODEL TEXTS [CALIBRATION]
// CALIBRATION is a file of lines too; without it, or beside it, random ids calibrate.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "engine/compress/quantize_encoder.h"
#include "engine/compress/random_sequences.h"
#include "engine/tasks/embedder.h"
#include "engine/tasks/embedding_agreement.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

std::vector<std::string> lines_of(const char* path) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorCode::kIo, std::string(path) + ": cannot be opened");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class Quality {
 public:
  Quality(const char* directory, const char* texts)
      : directory_(directory), lines_(lines_of(texts)), views_(lines_.begin(), lines_.end()) {
    options_.isa = choose_isa();
    options_.threads = threads_.count();
    exact_ = embeddings(load_embedding_model(directory_, options_));
    std::printf("%-28s %9s %9s %9s %7s %9s %7s\n", "recipe", "mean", "least", "1 %", "top-1",
                "Spearman", "s");
  }

  // 128 lines at even distances, as the model sees them.
  TextBatch calibration_text(const char* path) {
    const EmbeddingModel model = load_embedding_model(directory_, options_);
    const std::vector<std::string> lines = lines_of(path);
    std::vector<TextInput> inputs;
    for (std::size_t i = 0; i < 128; ++i) inputs.push_back({lines[i * lines.size() / 128], {}});
    return make_text_batch(model.tokenizer, threads_, inputs,
                           {.max_length = model.max_length(), .prompt = {}, .encode = {}});
  }

  compress::Sequences random_ids() {
    const EmbeddingModel model = load_embedding_model(directory_, options_);
    std::vector<std::int32_t> ordinary;
    for (std::int32_t id = 0; id < model.tokenizer.vocab_size(); ++id) {
      const auto token = model.tokenizer.token(id);
      if (token && !(token->front() == '[' && token->size() > 1)) ordinary.push_back(id);
    }
    const tokenizer::SpecialIds& special = model.tokenizer.special_ids();
    return compress::random_sequences({*special.cls, *special.sep, ordinary});
  }

  /// With attention in FP32, then in INT8.
  void measure(const std::string& name, const compress::EncoderRecipe& recipe,
               const Batch& calibration = {}) {
    const auto begin = std::chrono::steady_clock::now();
    EmbeddingModel model = load_embedding_model(directory_, options_);
    const compress::QuantizedEncoder quantized =
        compress::quantize_encoder(threads_, model.sentence.encoder, recipe, calibration);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    const Block block = compress::install(threads_, model.sentence.encoder, quantized);
    compare(name, model, seconds.count());
    model.sentence.encoder.config.attention = AttentionKind::kInt8;
    compare("  attention in INT8", model, 0);
  }

 private:
  void compare(const std::string& name, const EmbeddingModel& model, double seconds) {
    const std::vector<float> int8 = embeddings(model);
    const std::int64_t D = model.dimensions(), texts = static_cast<std::int64_t>(views_.size());
    const EmbeddingAgreement a =
        compare_embeddings({exact_.data(), texts, D, D}, {int8.data(), texts, D, D});
    std::printf("%-28s %9.6f %9.6f %9.6f %7.4f %9.6f %7.1f\n", name.c_str(), a.mean_cosine,
                a.least_cosine, a.low_cosine, a.neighbours_kept, a.spearman, seconds);
  }

  std::vector<float> embeddings(const EmbeddingModel& model) {
    Embedder embedder(model, {.threads = threads_.count()});
    const auto texts = static_cast<std::int64_t>(views_.size());
    std::vector<float> y(static_cast<std::size_t>(texts * model.dimensions()));
    embedder.embed(views_, {y.data(), texts, model.dimensions(), model.dimensions()});
    return y;
  }

  std::string directory_;
  std::vector<std::string> lines_;
  std::vector<std::string_view> views_;
  Threads threads_{available_threads()};
  LoadOptions options_;
  std::vector<float> exact_;
};

void run(const char* directory, const char* texts, const char* calibration) {
  Quality quality(directory, texts);
  quality.measure("plain", {.rotate = false});
  quality.measure("rotation", {.in_lane = compress::InLane::kNo});
  quality.measure("rotation, in lanes", {});
  const auto calibrated = [&](const std::string& by, const Batch& batch) {
    quality.measure("smoothing alone, " + by, {.rotate = false, .smooth = true}, batch);
    quality.measure("smoothing, " + by, {.smooth = true}, batch);
    quality.measure("second order, " + by, {.second_order = true}, batch);
    quality.measure("both, " + by, {.smooth = true, .second_order = true}, batch);
  };
  const compress::Sequences random = quality.random_ids();
  calibrated("random ids", random.batch());
  if (calibration == nullptr) return;
  const TextBatch text = quality.calibration_text(calibration);
  calibrated("text", text.batch());
}

}  // namespace
}  // namespace linnet

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: bench_int8_quality MODEL TEXTS [CALIBRATION]\n");
    return 2;
  }
  try {
    linnet::run(argv[1], argv[2], argc > 3 ? argv[3] : nullptr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
