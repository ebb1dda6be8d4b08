#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/models/encoder_session.h"
#include "engine/models/gpt2_session.h"

// An encoder or a GPT-2, as a benchmark sees it.
namespace linnet::bench {

class AnyModel {
 public:
  /// Throws what loading throws.
  AnyModel(weights::Checkpoint checkpoint, const LoadOptions& options) {
    if (is_gpt2(checkpoint.config())) {
      gpt2_.emplace(load_gpt2(std::move(checkpoint), options));
    } else {
      encoder_.emplace(load_encoder(std::move(checkpoint), options));
    }
  }

  const EncoderModel* encoder() const { return encoder_ ? &*encoder_ : nullptr; }
  const Gpt2Model* gpt2() const { return gpt2_ ? &*gpt2_ : nullptr; }
  std::int64_t vocab_size() const {
    return encoder_ ? encoder_->config.vocab_size : gpt2_->config.vocab_size;
  }
  std::int64_t width() const { return encoder_ ? encoder_->config.D : gpt2_->config.n_embd; }
  Precision precision() const { return encoder_ ? encoder_->precision : gpt2_->precision; }
  kernels::Isa isa() const { return encoder_ ? encoder_->kernels.isa : gpt2_->kernels.isa; }
  /// Of packed parameters and copies of word embeddings.
  std::int64_t bytes() const {
    return encoder_ ? encoder_->parameters.bytes() + encoder_->word_embeddings.bytes()
                    : gpt2_->parameters.bytes() + gpt2_->wte.bytes();
  }

 private:
  std::optional<EncoderModel> encoder_;
  std::optional<Gpt2Model> gpt2_;
};

class AnySession {
 public:
  /// The model must outlive the session and stay where it is.
  explicit AnySession(const AnyModel& model, const SessionOptions& options = {}) : model_(model) {
    if (model.encoder() != nullptr) {
      encoder_ = std::make_unique<EncoderSession>(*model.encoder(), options);
    } else {
      gpt2_ = std::make_unique<Gpt2Session>(*model.gpt2(), options);
    }
  }

  const AnyModel& model() const { return model_; }

  /// (sequences up to the end of the part, hidden states of its tokens), in order.
  using Part = FunctionRef<void(std::int64_t end, Mat<const float> hidden)>;
  void run(const Batch& batch, Part use) {
    const auto forward = [&](const Context&, const auto& part) {
      use(part.first_sequence + part.batch.B(), part.hidden);
    };
    if (encoder_ != nullptr) {
      encoder_->for_each_part(batch, forward);
    } else {
      gpt2_->for_each_part(batch, {}, forward);
    }
  }

 private:
  const AnyModel& model_;
  std::unique_ptr<EncoderSession> encoder_;
  std::unique_ptr<Gpt2Session> gpt2_;
};

}  // namespace linnet::bench
