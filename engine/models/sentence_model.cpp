// Dimension key: B sequences, D width of the encoder.
#include "engine/models/sentence_model.h"

#include <algorithm>
#include <utility>

#include "engine/core/float_environment.h"
#include "engine/models/pack_linear.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet {
namespace {

using weights::Safetensors;
using weights::TensorView;

constexpr float kNormalizeEps = 1e-12f;  // torch.nn.functional.normalize
constexpr float kLayerNormEps = 1e-5f;   // torch.nn.LayerNorm

const TensorView& require(const Safetensors& file, std::string_view name,
                          std::vector<std::int64_t> shape) {
  const TensorView* tensor = file.find(name);
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::kFormat, file.file().name() + ": tensor " + quote(name) + what);
  };
  if (tensor == nullptr) fail(" is missing");
  if (!std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end())) {
    fail(" has shape " + weights::shape_text(tensor->shape) + ", expected " +
         weights::shape_text(shape));
  }
  if (!weights::is_float(tensor->dtype))
    fail(std::string(" is stored as ") + weights::name(tensor->dtype));
  const auto at =
      weights::first_not_finite(tensor->bytes.data(), tensor->dtype, tensor->elements());
  if (at >= 0) {
    throw Error(ErrorCode::kNumeric, file.file().name() + ": tensor " + quote(name) + ": element " +
                                         std::to_string(at) + " is not finite");
  }
  return *tensor;
}

void copy(float* to, const TensorView& tensor) {
  weights::to_f32(to, tensor.bytes.data(), tensor.dtype, tensor.elements());
}

struct DensePlace {
  LinearPlace linear;
  DensePlace(Layout& l, const kernels::KernelTable& kernels, const SentenceStep& s)
      : linear(l, kernels, LinearKind::kFloat32, s.out_features, s.in_features) {}
};

void load_dense(SentenceModel::Step& step, const Safetensors& file,
                const kernels::KernelTable& kernels, int threads) {
  const SentenceStep& c = step.config;
  step.parameters = Block(Placed<DensePlace>::count(kernels, c));
  Layout layout(step.parameters.data());
  const DensePlace place(layout, kernels, c);
  Threads workers(threads);
  const TensorView& weight = require(file, "linear.weight", {c.out_features, c.in_features});
  pack_linear(kernels, workers, place.linear, std::span(&weight, 1));
  if (c.bias) copy(place.linear.bias, require(file, "linear.bias", {c.out_features}));
  step.dense = place.linear.view();
}

void load_layer_norm(SentenceModel::Step& step, const Safetensors& file) {
  const std::int64_t n = step.config.in_features;
  step.parameters = Block(2 * n * static_cast<std::int64_t>(sizeof(float)));
  auto* floats = reinterpret_cast<float*>(step.parameters.data());
  copy(floats, require(file, "norm.weight", {n}));
  copy(floats + n, require(file, "norm.bias", {n}));
  step.norm = {floats, floats + n, kLayerNormEps};
}

}  // namespace

SentenceModel load_sentence_model(weights::Checkpoint checkpoint, const LoadOptions& options) {
  LoadOptions base = options;
  base.head = HeadKind::kBase;
  SentenceModel m{load_encoder(std::move(checkpoint), base), {}, {}};
  const weights::Directory& directory = m.encoder.checkpoint.directory();
  m.config = read_sentence_config(directory, m.encoder.config.D);
  for (const SentenceStep& config : m.config.steps) {
    SentenceModel::Step& step = m.steps.emplace_back();
    step.config = config;
    if (config.kind == SentenceStep::Kind::kNormalize) continue;
    const std::string name = config.folder + "/model.safetensors";
    auto file = directory.open(name);
    if (!file) throw Error(ErrorCode::kIo, directory.name_of(name) + ": is missing");
    const Safetensors tensors(std::move(*file));
    if (config.kind == SentenceStep::Kind::kDense) {
      load_dense(step, tensors, m.encoder.kernels, options.threads);
    } else {
      load_layer_norm(step, tensors);
    }
  }
  return m;
}

SentenceSession::SentenceSession(const SentenceModel& model, const SessionOptions& options)
    : model_(model), encoder_(model.encoder, options) {
  widest_ = static_cast<std::int64_t>(model.config.pooling.size()) * model.encoder.config.D;
  for (const SentenceStep& step : model.config.steps) {
    widest_ = std::max(widest_, step.out_features);
  }
  const std::int64_t most = std::max(options.tokens_per_pass, model.encoder.config.positions);
  buffers_ = Block(2 * most * widest_ * static_cast<std::int64_t>(sizeof(float)));
}

void SentenceSession::embed(const Batch& batch, Mat<float> y,
                            std::span<const std::int64_t> prompt_tokens) {
  LINNET_ASSERT(y.rows == batch.B() && y.cols == model_.dimensions() && y.ld == y.cols);
  encoder_.for_each_part(batch, [&](const Context& ctx, const EncoderSession::Part& part) {
    const std::int64_t first = part.first_sequence, B = part.batch.B();
    std::span<const std::int64_t> prompts = prompt_tokens;
    if (!prompts.empty()) {
      prompts = prompts.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(B));
    }
    finish(ctx, part, y.slice_rows(first, first + B), prompts);
  });
}

// From the hidden states of a part to its embeddings.
void SentenceSession::finish(const Context& ctx, const EncoderSession::Part& part, Mat<float> y,
                             std::span<const std::int64_t> prompt_tokens) {
  const std::int64_t B = part.batch.B(), D = part.hidden.cols;
  auto* now = reinterpret_cast<float*>(buffers_.data());
  auto* next = now + B * widest_;
  const auto modes = static_cast<std::int64_t>(model_.config.pooling.size());
  Mat<float> x{now, B, modes * D, modes * D};
  const auto skip = model_.config.include_prompt ? std::span<const std::int64_t>() : prompt_tokens;
  for (std::int64_t i = 0; i < modes; ++i) {
    pool(ctx, x.slice_cols(i * D, (i + 1) * D), part.hidden,
         model_.config.pooling[static_cast<std::size_t>(i)], part.batch, skip);  // x [B, modes·D]
  }
  for (const SentenceModel::Step& step : model_.steps) {
    if (step.config.kind == SentenceStep::Kind::kDense) {
      const Mat<float> out{next, B, step.dense.N, step.dense.N};
      linear(ctx, out, x, step.dense, {.activation = step.config.activation});  // x [B, out]
      std::swap(now, next);
      x = out;
    } else if (step.config.kind == SentenceStep::Kind::kLayerNorm) {
      layer_norm(ctx, x, step.norm);
    } else {
      ctx.kernels.normalize_l2_f32(x.data, x.data, B, x.cols, kNormalizeEps);
    }
  }
  for (std::int64_t b = 0; b < B; ++b) std::copy_n(x.row(b), x.cols, y.row(b));
}

}  // namespace linnet
