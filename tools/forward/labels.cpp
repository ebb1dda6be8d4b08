#include "tools/forward/labels.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "engine/models/load_trainable.h"
#include "tools/forward/padded_batch.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

using weights::DType;
using weights::Safetensors;
using weights::TensorView;

template <class T>
std::vector<T> values_of(const TensorView& tensor) {
  std::vector<T> values(static_cast<std::size_t>(tensor.elements()));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

const TensorView& find(const Safetensors& file, const std::string& name) {
  const TensorView* tensor = file.find(name);
  if (tensor != nullptr) return *tensor;
  throw Error(ErrorCode::kFormat, file.file().name() + ": tensor " + quote(name) + " is missing");
}

std::vector<std::int64_t> integers(const Safetensors& file, const std::string& name) {
  const TensorView& tensor = find(file, name);
  if (tensor.dtype == DType::kI64) return values_of<std::int64_t>(tensor);
  throw Error(ErrorCode::kFormat, file.file().name() + ": tensor " + quote(name) + " is " +
                                      weights::name(tensor.dtype) + ", expected I64");
}

// The labels of one batch; those of tokens without the masked places.
struct Labels {
  std::vector<std::int64_t> labels, starts, ends, next_sentence;
  std::vector<float> values;

  Labels(const Safetensors& file, const std::string& prefix, const PaddedBatch& batch,
         HeadKind head) {
    if (head == HeadKind::kQuestionAnswering) {
      starts = integers(file, prefix + "start_positions");
      ends = integers(file, prefix + "end_positions");
      return;
    }
    if (head == HeadKind::kNextSentence) {
      next_sentence = integers(file, prefix + "labels");
      return;
    }
    if (head == HeadKind::kPreTraining) {
      next_sentence = integers(file, prefix + "next_sentence_label");
    }
    const TensorView& tensor = find(file, prefix + "labels");
    if (head == HeadKind::kSequenceClassification && tensor.dtype == DType::kF32) {
      values = values_of<float>(tensor);
      return;
    }
    labels = integers(file, prefix + "labels");
    const bool per_token = head == HeadKind::kTokenClassification || head == HeadKind::kMaskedLm ||
                           head == HeadKind::kCausalLm || head == HeadKind::kPreTraining;
    if (per_token) keep_real_tokens(file, prefix, batch);
  }

  TrainingTargets targets() const { return {labels, values, {starts, ends}, next_sentence}; }

 private:
  void keep_real_tokens(const Safetensors& file, const std::string& prefix,
                        const PaddedBatch& batch) {
    const std::int64_t places = batch.rows() * batch.length();
    if (static_cast<std::int64_t>(labels.size()) != places) {
      throw Error(ErrorCode::kFormat, file.file().name() + ": tensor " + quote(prefix + "labels") +
                                          " has " + std::to_string(labels.size()) +
                                          " elements, expected " + std::to_string(places));
    }
    std::vector<std::int64_t> real;
    for (const std::int64_t place : batch.places()) {
      real.push_back(labels[static_cast<std::size_t>(place)]);
    }
    labels = std::move(real);
  }
};

TrainingSize size_of(const std::vector<PaddedBatch>& batches) {
  TrainingSize size;
  for (const PaddedBatch& padded : batches) {
    const Batch batch = padded.packed();
    size.tokens = std::max(size.tokens, batch.T());
    size.sequences = std::max(size.sequences, batch.B());
    for (std::int64_t b = 0; b < batch.B(); ++b) {
      size.longest = std::max(size.longest, batch.length(b));
    }
  }
  return size;
}

void write_gradients(const std::string& path, const TrainableModel& model, ModelTraining& training,
                     double loss) {
  training.join_gradients();
  OutputTensors out;
  out.add("loss", {}, {static_cast<float>(loss)});
  for (const NamedParameter& p : model.tensors) {
    const float* g = training.gradients() + p.offset;
    out.add("grad." + p.name, p.shape, std::vector<float>(g, g + p.elements()));
  }
  weights::write_safetensors(path, out.tensors());
}

}  // namespace

void forward_labels(const weights::Checkpoint& checkpoint, const ForwardOptions& options,
                    const Safetensors& inputs, OutputTensors& out) {
  const auto model = load_trainable(checkpoint, options.load);
  const std::vector<std::string> prefixes = batch_prefixes(inputs);
  if (!options.gradients.empty() && prefixes.size() != 1) {
    throw Error(ErrorCode::kInvalidArgument, options.inputs + ": has " +
                                                 std::to_string(prefixes.size()) +
                                                 " batches, expected one for its gradients");
  }
  std::vector<PaddedBatch> batches;
  for (const std::string& prefix : prefixes) batches.emplace_back(inputs, prefix);
  const auto training = model->training(kernels::make_table(options.load.isa),
                                        options.session.threads, size_of(batches));
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const Labels labels(inputs, prefixes[i], batches[i], model->head_kind());
    const Batch batch = batches[i].packed();
    check(batch, model->limits());
    TrainingPass pass;
    pass.targets = labels.targets();
    pass.divisors = model->check_targets(batch, pass.targets);
    const bool wanted = !options.gradients.empty();
    const double loss = wanted ? training->accumulate(batch, pass) : training->loss(batch, pass);
    out.add(prefixes[i] + "loss", {}, {static_cast<float>(loss)});
    if (wanted) write_gradients(options.gradients, *model, *training, loss);
  }
}

}  // namespace linnet::tools
