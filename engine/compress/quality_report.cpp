// Dimension key: T tokens of all sequences, packed   D model width   N outputs   K inputs
#include "engine/compress/quality_report.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/compress/block_inputs.h"
#include "engine/core/float_environment.h"
#include "engine/core/math.h"

namespace linnet::compress {
namespace {

constexpr std::int64_t kRows = 256;  // that are compared at a time
constexpr double kMostDb = 200;

double decibel(double signal, double noise) {
  if (noise == 0) return kMostDb;
  if (signal == 0) return 0;
  return std::min(kMostDb, 10 / math::log(10) * math::log(signal / noise));
}

// The products of two layers with the same inputs.
class Products {
 public:
  Products(Threads& threads, const EncoderModel& model, std::int64_t widest_N,
           std::int64_t widest_K)
      : threads_(threads),
        model_(model),
        exact_(static_cast<std::size_t>(kRows * widest_N)),
        int8_(exact_.size()),
        scratch_(linear_scratch_bytes(LinearKind::kInt8, threads.count(), kRows, widest_K)) {}

  double snr_db(Mat<const float> x, Linear exact, Linear int8) {
    exact.bias = int8.bias = nullptr;
    const Context ctx{model_.kernels, threads_, {scratch_.data(), scratch_.bytes()}};
    double signal = 0, noise = 0;
    for (std::int64_t begin = 0; begin < x.rows; begin += kRows) {
      const Mat<const float> rows = x.slice_rows(begin, std::min(x.rows, begin + kRows));
      const Mat<float> y{exact_.data(), rows.rows, exact.N, exact.N};
      const Mat<float> y8{int8_.data(), rows.rows, exact.N, exact.N};
      linear(ctx, y, rows, exact);  // y  [rows, N]
      linear(ctx, y8, rows, int8);  // y8 [rows, N]
      for (std::int64_t i = 0; i < rows.rows * exact.N; ++i) {
        const double want = double{y.data[i]}, error = want - double{y8.data[i]};
        signal += want * want;
        noise += error * error;
      }
    }
    return decibel(signal, noise);
  }

 private:
  Threads& threads_;
  const EncoderModel& model_;
  std::vector<float> exact_, int8_;
  Block scratch_;
};

// The mean over the tokens of one sequence.
std::vector<double> mean_of(Mat<const float> hidden, std::int64_t begin, std::int64_t end) {
  std::vector<double> mean(static_cast<std::size_t>(hidden.cols));
  for (std::int64_t t = begin; t < end; ++t) {
    for (std::size_t d = 0; d < mean.size(); ++d) mean[d] += double{hidden.row(t)[d]};
  }
  return mean;  // its length does not matter to a cosine
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t d = 0; d < a.size(); ++d) {
    ab += a[d] * b[d];
    aa += a[d] * a[d];
    bb += b[d] * b[d];
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

void compare_outputs(const Batch& batch, Mat<const float> exact, Mat<const float> int8,
                     StepQuality& quality) {
  quality.least_cosine = 1;
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)];
    const std::int64_t end = begin + batch.length(b);
    const double c = cosine(mean_of(exact, begin, end), mean_of(int8, begin, end));
    quality.mean_cosine += c / static_cast<double>(batch.B());
    quality.least_cosine = std::min(quality.least_cosine, c);
  }
}

struct Step {
  const char* name;
  EncoderRecipe recipe;
};

std::vector<Step> steps_of(const EncoderRecipe& recipe) {
  EncoderRecipe so_far{.rotate = false, .in_lane = recipe.in_lane};
  std::vector<Step> steps{{"plain", so_far}};
  const auto add = [&](bool wanted, const char* name, bool EncoderRecipe::*step) {
    if (!wanted) return;
    so_far.*step = true;
    steps.push_back({name, so_far});
  };
  add(recipe.rotate, "rotation", &EncoderRecipe::rotate);
  add(recipe.smooth, "smoothing", &EncoderRecipe::smooth);
  add(recipe.second_order, "second order", &EncoderRecipe::second_order);
  return steps;
}

}  // namespace

StepQuality measure_quality(Threads& threads, const EncoderModel& exact,
                            const QuantizedEncoder& quantized, const Measurement& how) {
  const FloatEnvironment environment;
  const InstalledEncoder int8 = installed(threads, exact, quantized);
  BlockByBlock before(threads, exact, how.batch);
  BlockByBlock after(threads, exact, int8.weights, how.attention, how.batch);
  StepQuality quality;
  for (std::size_t i = 0; i < exact.weights.layers.size(); ++i) {
    const EncoderLayer &a = exact.weights.layers[i], &b = int8.weights.layers[i];
    const BlockInputs x = before.next();
    after.next();
    Products products(threads, exact, std::max({a.qkv.N, a.intermediate.N, a.output.N}),
                      std::max({a.qkv.K, a.attention_output.K, a.output.K}));
    const auto add = [&](const char* name, Mat<const float> inputs, const Linear& mine,
                         const Linear& theirs) {
      quality.layers.push_back(
          {static_cast<std::int64_t>(i), name, products.snr_db(inputs, mine, theirs)});
    };
    add("qkv", x.qkv, a.qkv, b.qkv);
    add("attention_output", x.attention_output, a.attention_output, b.attention_output);
    add("intermediate", x.intermediate, a.intermediate, b.intermediate);
    add("output", x.output, a.output, b.output);
  }
  quality.step = "all";
  compare_outputs(how.batch, before.hidden(), after.hidden(), quality);
  return quality;
}

std::vector<StepQuality> measure_steps(Threads& threads, const EncoderModel& exact,
                                       const EncoderRecipe& recipe, const Batch& calibration,
                                       const Measurement& how) {
  std::vector<Step> steps = steps_of(recipe);
  steps.pop_back();
  std::vector<StepQuality> report;
  for (const Step& step : steps) {
    const QuantizedEncoder quantized = quantize_encoder(threads, exact, step.recipe, calibration);
    report.push_back(measure_quality(threads, exact, quantized, how));
    report.back().step = step.name;
  }
  return report;
}

}  // namespace linnet::compress
