#pragma once

#include <vector>

#include "engine/models/encoder_session.h"
#include "engine/models/sentence_config.h"

namespace linnet {

/// A sentence-transformers model: an encoder, pooling, and what follows it. Immutable, shared.
struct SentenceModel {
  /// One of config.steps with its parameters.
  struct Step {
    SentenceStep config;
    Block parameters;
    Linear dense;    // of kDense
    LayerNorm norm;  // of kLayerNorm
  };

  EncoderModel encoder;
  SentenceConfig config;
  std::vector<Step> steps;

  std::int64_t dimensions() const { return config.dimensions(encoder.config.D); }
};

/// Loads a directory with or without modules.json; the encoder's head is not loaded. Errors as
/// load_encoder and read_sentence_config.
SentenceModel load_sentence_model(weights::Checkpoint checkpoint, const LoadOptions& options);

/// Runs one sentence model; see EncoderSession.
class SentenceSession {
 public:
  /// The model must outlive the session.
  explicit SentenceSession(const SentenceModel& model, const SessionOptions& options = {});

  /// y [B, dimensions()] without gaps: one embedding a sequence. prompt_tokens[b] are the tokens at
  /// the front of sequence b that belong to a prompt ([CLS] counted); empty: none.
  void embed(const Batch& batch, Mat<float> y, std::span<const std::int64_t> prompt_tokens = {});

  EncoderSession& encoder() { return encoder_; }
  const SentenceModel& model() const { return model_; }

 private:
  void finish(const Context& ctx, const EncoderSession::Part& part, Mat<float> y,
              std::span<const std::int64_t> prompt_tokens);

  const SentenceModel& model_;
  EncoderSession encoder_;
  std::int64_t widest_;  // of all intermediate vectors
  Block buffers_;        // two of [sequences of a part, widest]
};

}  // namespace linnet
