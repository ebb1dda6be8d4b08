#include "engine/models/encoder_session.h"

#include <algorithm>

#include "engine/core/float_environment.h"
#include "engine/models/pack_linear.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

std::int64_t tokens_of(const EncoderConfig& c, const SessionOptions& options) {
  return std::max(options.tokens_per_pass, c.positions);
}

// Rows [first, first + n) of an output, or nothing where nothing is wanted.
Mat<float> rows_of(Mat<float> m, std::int64_t first, std::int64_t n) {
  return m.data == nullptr ? m : m.slice_rows(first, first + n);
}

}  // namespace

std::int64_t session_bytes(const EncoderConfig& config, const kernels::KernelTable& kernels,
                           const SessionOptions& options, Precision precision) {
  const std::int64_t tokens = tokens_of(config, options);
  return Placed<EncoderScratch>::count(config, kernels, linear_kind(precision), options.threads,
                                       tokens, config.positions,
                                       head_scratch_floats(config, tokens));
}

EncoderSession::EncoderSession(const EncoderModel& model, const SessionOptions& options)
    : model_(model),
      threads_(options.threads),
      tokens_per_pass_(tokens_of(model.config, options)),
      scratch_(model.config, model.kernels, linear_kind(model.precision, model.backend),
               options.threads, tokens_per_pass_, model.config.positions,
               head_scratch_floats(model.config, tokens_per_pass_)) {
  // No part has more sequences than tokens.
  starts_.reserve(static_cast<std::size_t>(tokens_per_pass_) + 1);
  rows_.reserve(static_cast<std::size_t>(tokens_per_pass_));
}

EncoderSession::Part EncoderSession::part_from(const Batch& batch, std::int64_t first_sequence) {
  const auto first = static_cast<std::size_t>(first_sequence);
  const std::int64_t begin = batch.starts[first];
  starts_.assign(1, 0);
  for (std::size_t b = first + 1; b < batch.starts.size(); ++b) {
    if (batch.starts[b] - begin > tokens_per_pass_) break;
    starts_.push_back(batch.starts[b] - begin);
  }
  const auto token = static_cast<std::size_t>(begin);
  const auto count = static_cast<std::size_t>(starts_.back());
  Part part;
  part.batch.tokens = batch.tokens.subspan(token, count);
  part.batch.positions = batch.positions.subspan(token, count);
  if (!batch.types.empty()) part.batch.types = batch.types.subspan(token, count);
  part.batch.starts = starts_;
  part.first_sequence = first_sequence;
  part.first_token = begin;
  return part;
}

void EncoderSession::for_each_part(const Batch& batch,
                                   FunctionRef<void(const Context&, const Part&)> use) {
  const FloatEnvironment environment;
  const EncoderConfig& c = model_.config;
  check(batch, {c.vocab_size, c.positions, c.token_types});
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    if (batch.length(b) > c.positions) {
      throw Error(ErrorCode::kInvalidArgument, "batch: sequence " + std::to_string(b) + " has " +
                                                   std::to_string(batch.length(b)) +
                                                   " tokens, expected at most " +
                                                   std::to_string(c.positions));
    }
  }
  const Context ctx{model_.kernels, threads_, scratch_->linear};
  for (std::int64_t b = 0; b < batch.B();) {
    if (cancel_ && cancel_()) throw Error(ErrorCode::kCancelled, "run: cancelled");
    Part part = part_from(batch, b);
    const auto observe = [&](std::int64_t index, Mat<const float> x) {
      observer_(index, part.first_token, x);
    };
    part.hidden = encode(ctx, c, model_.weights, *scratch_, part.batch,
                         observer_ ? HiddenStates(observe) : HiddenStates());
    use(ctx, part);
    b += part.batch.B();
  }
}

void EncoderSession::run(const Batch& batch, const EncoderOutputs& out) {
  for_each_part(batch, [&](const Context& ctx, const Part& part) {
    const std::int64_t T = part.batch.T(), B = part.batch.B();
    EncoderOutputs mine;
    mine.last_hidden_state = rows_of(out.last_hidden_state, part.first_token, T);
    mine.pooler_output = rows_of(out.pooler_output, part.first_sequence, B);
    mine.sequence_logits = rows_of(out.sequence_logits, part.first_sequence, B);
    mine.token_logits = rows_of(out.token_logits, part.first_token, T);
    const auto rows_begin =
        std::lower_bound(out.vocabulary_rows.begin(), out.vocabulary_rows.end(), part.first_token);
    const auto rows_end =
        std::lower_bound(rows_begin, out.vocabulary_rows.end(), part.first_token + T);
    rows_.clear();
    for (auto row = rows_begin; row != rows_end; ++row) rows_.push_back(*row - part.first_token);
    mine.vocabulary_rows = rows_;
    if (!rows_.empty()) {
      mine.vocabulary_logits =
          rows_of(out.vocabulary_logits, rows_begin - out.vocabulary_rows.begin(),
                  static_cast<std::int64_t>(rows_.size()));
    }
    run_head(ctx, model_.config, model_.head, scratch_->head, part.hidden, part.batch, mine);
  });
}

}  // namespace linnet
