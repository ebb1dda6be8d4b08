// Dimension key: B rows, T columns of the padded input; E model width; C labels; V vocabulary.
#include "tools/forward/gpt2_forward.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/models/gpt2_session.h"
#include "weights/base/error.h"

namespace linnet::tools {
namespace {

std::vector<std::int64_t> every_token(std::int64_t T) {
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(T));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

void add_head_outputs(OutputTensors& out, const Gpt2Model& m, const PaddedBatch& batch,
                      const std::string& prefix, Buffer& sequence, Buffer& tokens,
                      const Buffer& vocabulary) {
  switch (m.head_kind) {
    case HeadKind::kSequenceClassification:
      out.add(prefix + "logits", {batch.rows(), sequence.mat.cols}, std::move(sequence.values));
      break;
    case HeadKind::kTokenClassification:
      out.add(prefix + "logits", token_shape(batch, tokens.mat.cols), batch.unpack(tokens.mat));
      break;
    case HeadKind::kQuestionAnswering:
      out.add(prefix + "start_logits", {batch.rows(), batch.length()}, column(batch, tokens, 0));
      out.add(prefix + "end_logits", {batch.rows(), batch.length()}, column(batch, tokens, 1));
      break;
    case HeadKind::kCausalLm:
      out.add(prefix + "logits", token_shape(batch, vocabulary.mat.cols),
              batch.unpack(vocabulary.mat));
      break;
    default:
      break;
  }
}

void run_batch(Gpt2Session& session, const PaddedBatch& batch, const std::string& prefix,
               WithHiddenStates with_hidden, OutputTensors& out) {
  const Gpt2Model& m = session.model();
  const Batch packed = batch.packed();
  const std::int64_t T = packed.T(), B = packed.B(), E = m.config.n_embd;
  const bool base = m.head_kind == HeadKind::kBase;
  Buffer last(T, base ? E : 0), sequence(B, m.weights.sequence_classifier.N);
  Buffer tokens(T, m.weights.token_classifier.N), vocabulary(T, m.weights.lm_head.N);
  const std::vector<std::int64_t> all = every_token(T);

  std::vector<Buffer> hidden;
  if (with_hidden == WithHiddenStates::kYes) {
    hidden.assign(static_cast<std::size_t>(m.config.n_layer) + 1, Buffer(0, 0));
    for (Buffer& h : hidden) h = Buffer(T, E);
  }
  const auto observe = [&](std::int64_t index, std::int64_t first_token, Mat<const float> x) {
    const Mat<float> to = hidden[static_cast<std::size_t>(index)].mat;
    for (std::int64_t t = 0; t < x.rows; ++t) std::copy_n(x.row(t), E, to.row(first_token + t));
  };
  session.observe(hidden.empty() ? Gpt2Session::Observer() : Gpt2Session::Observer(observe));
  session.run(packed, {},
              {.last_hidden_state = last.mat,
               .sequence_logits = sequence.mat,
               .token_logits = tokens.mat,
               .vocabulary_logits = vocabulary.mat,
               .vocabulary_rows = all});
  session.observe({});

  if (base) out.add(prefix + "last_hidden_state", token_shape(batch, E), batch.unpack(last.mat));
  add_head_outputs(out, m, batch, prefix, sequence, tokens, vocabulary);
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    out.add(prefix + "hidden_states." + std::to_string(i), token_shape(batch, E),
            batch.unpack(hidden[i].mat));
  }
}

// The tokens of a packed batch that stand in columns [begin, end) of the padded one; rows without
// any are left out.
struct Chunk {
  std::vector<std::int32_t> tokens, positions;
  std::vector<std::int64_t> starts{0}, rows,
      columns;  // columns: of each token, row · length + column

  Chunk(const PaddedBatch& batch, std::int64_t begin, std::int64_t end) {
    const Batch all = batch.packed();
    for (std::int64_t b = 0; b < all.B(); ++b) {
      for (std::int64_t t = all.starts[static_cast<std::size_t>(b)];
           t < all.starts[static_cast<std::size_t>(b) + 1]; ++t) {
        const auto i = static_cast<std::size_t>(t);
        const std::int64_t column = batch.places()[i] % batch.length();
        if (column < begin || column >= end) continue;
        tokens.push_back(all.tokens[i]);
        positions.push_back(all.positions[i]);
        columns.push_back(b * (end - begin) + column - begin);
      }
      if (static_cast<std::int64_t>(tokens.size()) == starts.back()) continue;
      starts.push_back(static_cast<std::int64_t>(tokens.size()));
      rows.push_back(b);
    }
  }
  Batch packed() const { return {tokens, positions, {}, starts}; }
};

// cache.L.NAME [B, heads, T, head width] of one layer, zeros at masked places.
void add_cache(OutputTensors& out, const Gpt2Config& c, const PaddedBatch& batch,
               const std::string& name, const KvCache& cache, auto copy) {
  const std::int64_t B = batch.rows(), H = c.n_head, T = batch.length(), W = c.head_width();
  std::vector<float> values(static_cast<std::size_t>(B * H * T * W), 0.0f);
  std::size_t token = 0;
  for (std::int64_t b = 0; b < B; ++b) {
    const Buffer rows(cache.length(b), c.n_embd);
    copy(b, rows.mat);
    for (std::int64_t t = 0; t < rows.mat.rows; ++t, ++token) {
      const std::int64_t column = batch.places()[token] % T;
      for (std::int64_t h = 0; h < H; ++h) {
        std::copy_n(rows.mat.row(t) + h * W, W, values.begin() + ((b * H + h) * T + column) * W);
      }
    }
  }
  out.add(name, {B, H, T, W}, std::move(values));
}

void run_chunks(Gpt2Session& session, const PaddedBatch& batch, const std::string& prefix,
                const std::vector<std::int64_t>& chunks, OutputTensors& out) {
  const Gpt2Config& c = session.model().config;
  const std::int64_t V = session.model().weights.lm_head.N, B = batch.rows();
  const KvCacheShape shape{B, batch.length(), c.n_layer, c.n_embd, c.n_head};
  KvCache cache(shape, shape.bytes());
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < chunks.size(); begin += chunks[i], ++i) {
    const Chunk chunk(batch, begin, begin + chunks[i]);
    std::vector<float> padded(static_cast<std::size_t>(B * chunks[i] * V), 0.0f);
    const Batch packed = chunk.packed();
    Buffer logits(packed.T(), V);
    const std::vector<std::int64_t> all = every_token(packed.T());
    session.run(packed, {&cache, chunk.rows},
                {.vocabulary_logits = logits.mat, .vocabulary_rows = all});
    for (std::size_t t = 0; t < all.size(); ++t) {
      std::copy_n(logits.mat.row(all[t]), V, padded.begin() + chunk.columns[t] * V);
    }
    out.add(prefix + "chunk" + std::to_string(i) + ".logits", {B, chunks[i], V}, std::move(padded));
  }
  for (std::int64_t l = 0; l < c.n_layer; ++l) {
    const std::string name = prefix + "cache." + std::to_string(l);
    add_cache(out, c, batch, name + ".key", cache,
              [&](std::int64_t b, Mat<float> to) { cache.copy_keys(b, l, to); });
    add_cache(out, c, batch, name + ".value", cache,
              [&](std::int64_t b, Mat<float> to) { cache.copy_values(b, l, to); });
  }
  Buffer logits(batch.packed().T(), V);
  const std::vector<std::int64_t> all = every_token(logits.mat.rows);
  session.run(batch.packed(), {}, {.vocabulary_logits = logits.mat, .vocabulary_rows = all});
  out.add(prefix + "full.logits", token_shape(batch, V), batch.unpack(logits.mat));
}

void check_chunks(const Gpt2Model& model, const PaddedBatch& batch,
                  const std::vector<std::int64_t>& chunks) {
  if (model.head_kind != HeadKind::kCausalLm) {
    throw Error(ErrorCode::kInvalidArgument, "chunks are for a model with a language-model head");
  }
  std::int64_t sum = 0;
  for (const std::int64_t chunk : chunks) {
    if (chunk < 1 || chunk > batch.length()) {
      throw Error(ErrorCode::kInvalidArgument, "a chunk of " + std::to_string(chunk) +
                                                   " tokens, expected 1 to " +
                                                   std::to_string(batch.length()));
    }
    sum += chunk;
  }
  if (sum != batch.length()) {
    throw Error(ErrorCode::kInvalidArgument, "the chunks have " + std::to_string(sum) +
                                                 " columns together, the batch has " +
                                                 std::to_string(batch.length()));
  }
}

}  // namespace

void forward_gpt2(weights::Checkpoint checkpoint, const ForwardOptions& options,
                  const weights::Safetensors& inputs, OutputTensors& out) {
  const Gpt2Model model = load_gpt2(std::move(checkpoint), options.load);
  Gpt2Session session(model, options.session);
  for (const std::string& prefix : batch_prefixes(inputs)) {
    const PaddedBatch batch(inputs, prefix);
    if (options.chunks.empty()) {
      run_batch(session, batch, prefix, options.hidden_states, out);
    } else {
      check_chunks(model, batch, options.chunks);
      run_chunks(session, batch, prefix, options.chunks, out);
    }
  }
}

}  // namespace linnet::tools
