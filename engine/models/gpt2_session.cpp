// Dimension key: T tokens, B sequences, E model width, C labels, V vocabulary, R chosen tokens.
#include "engine/models/gpt2_session.h"

#include <algorithm>
#include <string>

#include "engine/core/float_environment.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

std::int64_t tokens_of(const Gpt2Config& c, const SessionOptions& options) {
  return std::max(options.tokens_per_pass, c.n_positions);
}

[[noreturn]] void refuse(ErrorCode code, const std::string& what) {
  throw Error(code, "batch: " + what);
}

// The chosen rows side by side.
Mat<const float> copied_rows(Mat<float> to, Mat<const float> from,
                             const std::vector<std::int64_t>& rows) {
  std::int64_t r = 0;
  for (const std::int64_t row : rows) std::copy_n(from.row(row), from.cols, to.row(r++));
  return to.slice_rows(0, r);
}

}  // namespace

std::int64_t deciding_token(const Gpt2Config& c, const Batch& batch, std::int64_t b) {
  const std::int64_t begin = batch.starts[static_cast<std::size_t>(b)];
  std::int64_t t = begin + batch.length(b) - 1;
  while (t > begin && c.pad_token_id &&
         batch.tokens[static_cast<std::size_t>(t)] == *c.pad_token_id)
    --t;
  return t;
}

std::int64_t session_bytes(const Gpt2Config& config, const kernels::KernelTable& kernels,
                           const SessionOptions& options, Precision precision) {
  return Placed<Gpt2Scratch>::count(config, kernels, linear_kind(precision), options.threads,
                                    tokens_of(config, options), config.n_positions);
}

Gpt2Session::Gpt2Session(const Gpt2Model& model, const SessionOptions& options)
    : model_(model),
      threads_(options.threads),
      tokens_per_pass_(tokens_of(model.config, options)),
      scratch_(model.config, model.kernels, model.linear_kind(), options.threads, tokens_per_pass_,
               model.config.n_positions) {
  starts_.reserve(static_cast<std::size_t>(tokens_per_pass_) + 1);
  rows_.reserve(static_cast<std::size_t>(tokens_per_pass_));
}

void Gpt2Session::check_batch(const Batch& batch, const CachePlaces& places) const {
  const Gpt2Config& c = model_.config;
  check(batch, {c.vocab_size, c.n_positions, 0});
  std::int64_t room = c.n_positions;
  if (places.cache != nullptr) {
    const KvCacheShape& shape = places.cache->shape();
    room = std::min(room, shape.positions);
    if (static_cast<std::int64_t>(places.sequences.size()) != batch.B()) {
      refuse(ErrorCode::kInvalidArgument, "every sequence needs a place in the cache");
    }
    if (shape.layers != c.n_layer || shape.A != c.n_embd || shape.heads != c.n_head) {
      refuse(ErrorCode::kInvalidArgument, "the cache is of another model");
    }
  }
  for (std::int64_t b = 0; b < batch.B(); ++b) {
    std::int64_t past = 0;
    if (places.cache != nullptr) {
      const std::int64_t place = places.sequences[static_cast<std::size_t>(b)];
      const auto before = places.sequences.first(static_cast<std::size_t>(b));
      if (place < 0 || place >= places.cache->shape().sequences ||
          std::find(before.begin(), before.end(), place) != before.end()) {
        refuse(ErrorCode::kInvalidArgument,
               "place " + std::to_string(place) + " of the cache does not exist or is given twice");
      }
      past = places.cache->length(place);
    }
    if (past + batch.length(b) > room) {
      refuse(places.cache != nullptr ? ErrorCode::kLimit : ErrorCode::kInvalidArgument,
             "sequence " + std::to_string(b) + " has " + std::to_string(past + batch.length(b)) +
                 " tokens, expected at most " + std::to_string(room));
    }
  }
}

Gpt2Session::Part Gpt2Session::part_from(const Batch& batch, bool may_cut, std::int64_t first,
                                         std::int64_t begin) {
  starts_.assign(1, 0);
  for (auto b = static_cast<std::size_t>(first) + 1; b < batch.starts.size(); ++b) {
    if (batch.starts[b] - begin > tokens_per_pass_) {
      if (may_cut && starts_.back() < tokens_per_pass_) starts_.push_back(tokens_per_pass_);
      break;
    }
    starts_.push_back(batch.starts[b] - begin);
  }
  const auto token = static_cast<std::size_t>(begin);
  const auto count = static_cast<std::size_t>(starts_.back());
  Part part;
  part.batch.tokens = batch.tokens.subspan(token, count);
  part.batch.positions = batch.positions.subspan(token, count);
  part.batch.starts = starts_;
  part.first_sequence = first;
  part.first_token = begin;
  return part;
}

void Gpt2Session::for_each_part(const Batch& batch, const CachePlaces& places,
                                FunctionRef<void(const Context&, const Part&)> use,
                                ChooseRows choose) {
  const FloatEnvironment environment;
  check_batch(batch, places);
  const Context ctx{model_.kernels, threads_, scratch_->linear};
  std::int64_t first = 0;
  for (std::int64_t begin = 0; begin < batch.T();) {
    if (cancel_ && cancel_()) throw Error(ErrorCode::kCancelled, "run: cancelled");
    Part part = part_from(batch, places.cache != nullptr, first, begin);
    const auto observe = [&](std::int64_t index, Mat<const float> x) {
      observer_(index, part.first_token, x);
    };
    CachePlaces mine = places;
    if (places.cache != nullptr) {
      mine.sequences = places.sequences.subspan(static_cast<std::size_t>(first),
                                                static_cast<std::size_t>(part.batch.B()));
    }
    rows_.clear();
    if (choose) choose(part, rows_);
    part.hidden =
        decode(ctx, model_.config, model_.weights, *scratch_, part.batch, mine,
               {observer_ ? HiddenStates(observe) : HiddenStates(), {}}, choose ? &rows_ : nullptr);
    use(ctx, part);
    begin += part.batch.T();
    while (first < batch.B() && batch.starts[static_cast<std::size_t>(first) + 1] <= begin) ++first;
  }
}

void Gpt2Session::vocabulary_logits(const Context& ctx, Mat<float> logits,
                                    Mat<const float> hidden) {
  linear(ctx, logits, hidden, model_.weights.lm_head);
}

void Gpt2Session::run(const Batch& batch, const CachePlaces& places, const Gpt2Outputs& out) {
  LINNET_ASSERT(out.sequence_logits.data == nullptr || places.cache == nullptr);
  const Gpt2Weights& w = model_.weights;
  const bool sequences = out.sequence_logits.data != nullptr;
  const bool vocabulary = out.vocabulary_logits.data != nullptr;
  // Where the rows of a part begin among those of the batch, and where they end.
  const auto place = [&](const Part& part, std::int64_t tokens) {
    const auto rows = out.vocabulary_rows;
    return std::lower_bound(rows.begin(), rows.end(), part.first_token + tokens) - rows.begin();
  };
  const auto deciding = [&](const Part& part, std::vector<std::int64_t>& rows) {
    for (std::int64_t b = 0; b < part.batch.B(); ++b) {
      rows.push_back(deciding_token(model_.config, part.batch, b));
    }
  };
  const auto continued = [&](const Part& part, std::vector<std::int64_t>& rows) {
    for (std::int64_t r = place(part, 0); r < place(part, part.batch.T()); ++r) {
      rows.push_back(out.vocabulary_rows[static_cast<std::size_t>(r)] - part.first_token);
    }
  };
  // One head on some tokens is all that is asked for: no others are computed to the end.
  const bool few = sequences != vocabulary && out.last_hidden_state.data == nullptr &&
                   out.token_logits.data == nullptr && !observer_;
  // The hidden states of the chosen tokens side by side, for a head.
  const auto chosen = [&](const Part& part, ChooseRows choose) -> Mat<const float> {
    if (few) return part.hidden;
    rows_.clear();
    choose(part, rows_);
    return copied_rows(scratch_->chosen, part.hidden, rows_);
  };
  const auto use = [&](const Context& ctx, const Part& part) {
    const std::int64_t T = part.batch.T(), first = part.first_token;
    if (out.last_hidden_state.data != nullptr) {
      for (std::int64_t t = 0; t < T; ++t) {
        std::copy_n(part.hidden.row(t), part.hidden.cols, out.last_hidden_state.row(first + t));
      }
    }
    if (sequences) {
      const std::int64_t b = part.first_sequence;
      linear(ctx, out.sequence_logits.slice_rows(b, b + part.batch.B()), chosen(part, deciding),
             w.sequence_classifier);
    }
    if (out.token_logits.data != nullptr) {
      linear(ctx, out.token_logits.slice_rows(first, first + T), part.hidden, w.token_classifier);
    }
    if (vocabulary) {
      vocabulary_logits(ctx, out.vocabulary_logits.slice_rows(place(part, 0), place(part, T)),
                        chosen(part, continued));
    }
  };
  ChooseRows choose;
  if (few && sequences) choose = deciding;
  if (few && vocabulary) choose = continued;
  for_each_part(batch, places, use, choose);
}

}  // namespace linnet
