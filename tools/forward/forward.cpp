// Dimension key: B rows, T columns of the padded input; D model width; C labels; V vocabulary.
#include "tools/forward/forward.h"

#include <numeric>
#include <utility>
#include <vector>

#include "engine/models/sentence_model.h"
#include "tools/forward/gpt2_forward.h"
#include "tools/forward/labels.h"
#include "tools/forward/outputs.h"
#include "weights/base/error.h"
#include "weights/safetensors.h"

namespace linnet::tools {
namespace {

std::vector<std::int64_t> with(std::vector<std::int64_t> shape,
                               std::initializer_list<std::int64_t> more) {
  shape.insert(shape.end(), more);
  return shape;
}

void add_head_outputs(OutputTensors& out, const EncoderModel& m, const PaddedBatch& batch,
                      const std::string& prefix, Buffer& sequence, Buffer& tokens,
                      Buffer& vocabulary) {
  const bool pretraining = m.head_kind == HeadKind::kPreTraining;
  if (!sequence.values.empty()) {
    const bool choice = m.head_kind == HeadKind::kMultipleChoice;
    const std::string name = pretraining ? "seq_relationship_logits" : "logits";
    out.add(prefix + name, choice ? batch.leading() : with(batch.leading(), {sequence.mat.cols}),
            std::move(sequence.values));
  }
  if (m.head_kind == HeadKind::kQuestionAnswering) {
    out.add(prefix + "start_logits", {batch.rows(), batch.length()}, column(batch, tokens, 0));
    out.add(prefix + "end_logits", {batch.rows(), batch.length()}, column(batch, tokens, 1));
  } else if (!tokens.values.empty()) {
    out.add(prefix + "logits", token_shape(batch, tokens.mat.cols), batch.unpack(tokens.mat));
  }
  if (!vocabulary.values.empty()) {
    out.add(prefix + (pretraining ? "prediction_logits" : "logits"),
            token_shape(batch, vocabulary.mat.cols), batch.unpack(vocabulary.mat));
  }
}

void run_batch(EncoderSession& session, const PaddedBatch& batch, const std::string& prefix,
               WithHiddenStates with_hidden, OutputTensors& out) {
  const EncoderModel& m = session.model();
  const Batch packed = batch.packed();
  const std::int64_t T = packed.T(), B = packed.B(), D = m.config.D;
  const bool base = m.head_kind == HeadKind::kBase;
  const bool pooler = base && m.head.pooler.packed != nullptr;
  Buffer last(T, base ? D : 0), pooled(B, pooler ? D : 0);
  Buffer sequence(B, m.head.sequence_classifier.N), tokens(T, m.head.token_classifier.N);
  Buffer vocabulary(T, m.head.decoder.N);
  std::vector<std::int64_t> every_token(static_cast<std::size_t>(T));
  std::iota(every_token.begin(), every_token.end(), 0);

  std::vector<Buffer> hidden;
  if (with_hidden == WithHiddenStates::kYes) {
    hidden.assign(static_cast<std::size_t>(m.config.layers()) + 1, Buffer(0, 0));
    for (Buffer& h : hidden) h = Buffer(T, D);
  }
  const auto observe = [&](std::int64_t index, std::int64_t first_token, Mat<const float> x) {
    const Mat<float> to = hidden[static_cast<std::size_t>(index)].mat;
    for (std::int64_t t = 0; t < x.rows; ++t) std::copy_n(x.row(t), D, to.row(first_token + t));
  };
  session.observe(hidden.empty() ? EncoderSession::Observer() : EncoderSession::Observer(observe));
  session.run(packed, {.last_hidden_state = last.mat,
                       .pooler_output = pooled.mat,
                       .sequence_logits = sequence.mat,
                       .token_logits = tokens.mat,
                       .vocabulary_logits = vocabulary.mat,
                       .vocabulary_rows = every_token});
  session.observe({});

  if (base) out.add(prefix + "last_hidden_state", token_shape(batch, D), batch.unpack(last.mat));
  if (pooler) out.add(prefix + "pooler_output", {batch.rows(), D}, std::move(pooled.values));
  add_head_outputs(out, m, batch, prefix, sequence, tokens, vocabulary);
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    out.add(prefix + "hidden_states." + std::to_string(i), token_shape(batch, D),
            batch.unpack(hidden[i].mat));
  }
}

void run_sentence_batch(SentenceSession& session, const PaddedBatch& batch,
                        const std::string& prefix, OutputTensors& out) {
  const std::int64_t E = session.model().dimensions(), D = session.model().encoder.config.D;
  Buffer embeddings(batch.rows(), E);
  session.embed(batch.packed(), embeddings.mat);
  out.add(prefix + "sentence_embedding", {batch.rows(), E}, std::move(embeddings.values));
  Buffer last(batch.packed().T(), D);
  session.encoder().run(batch.packed(), {.last_hidden_state = last.mat});
  out.add(prefix + "token_embeddings", token_shape(batch, D), batch.unpack(last.mat));
}

}  // namespace

void forward(const ForwardOptions& options) {
  const std::filesystem::path path(options.inputs);
  const weights::Directory folder(path.has_parent_path() ? path.parent_path() : ".",
                                  weights::Symlinks::kAll);
  auto file = folder.open(path.filename().string());
  if (!file) throw Error(ErrorCode::kIo, options.inputs + ": no such file");
  const weights::Safetensors inputs(std::move(*file));

  weights::Checkpoint checkpoint(options.model);
  const bool gpt2 = is_gpt2(checkpoint.config());
  if (!gpt2 && !options.chunks.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "chunks are for models with a key/value cache");
  }
  const bool labels = options.labels == WithLabels::kYes;
  const bool sentence = checkpoint.directory().open("modules.json").has_value();
  OutputTensors out;
  if (labels) forward_labels(checkpoint, options, inputs, out);
  if (gpt2) {
    forward_gpt2(std::move(checkpoint), options, inputs, out);
  } else if (sentence) {
    const SentenceModel model = load_sentence_model(std::move(checkpoint), options.load);
    SentenceSession session(model, options.session);
    for (const std::string& prefix : batch_prefixes(inputs)) {
      const PaddedBatch batch(inputs, prefix);
      run_batch(session.encoder(), batch, prefix, options.hidden_states, out);
      run_sentence_batch(session, batch, prefix, out);
    }
  } else {
    const EncoderModel model = load_encoder(std::move(checkpoint), options.load);
    EncoderSession session(model, options.session);
    for (const std::string& prefix : batch_prefixes(inputs)) {
      run_batch(session, PaddedBatch(inputs, prefix), prefix, options.hidden_states, out);
    }
  }
  weights::write_safetensors(options.outputs, out.tensors());
}

}  // namespace linnet::tools
