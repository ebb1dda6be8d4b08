#include "engine/tasks/sequence_logits.h"

#include <algorithm>

namespace linnet {
namespace {

// Sequences [first, end) of a batch; `starts` holds its borders, counted from 0.
Batch part_of(const TextBatch& batch, std::size_t first, std::size_t end,
              std::vector<std::int64_t>& starts) {
  const std::int64_t begin = batch.starts[first];
  starts.clear();
  for (std::size_t s = first; s <= end; ++s) starts.push_back(batch.starts[s] - begin);
  const auto token = static_cast<std::size_t>(begin),
             count = static_cast<std::size_t>(starts.back());
  Batch part{std::span(batch.tokens).subspan(token, count),
             std::span(batch.positions).subspan(token, count),
             {},
             starts};
  if (!batch.types.empty()) part.types = std::span(batch.types).subspan(token, count);
  return part;
}

}  // namespace

SequenceLogits sequence_logits(const TaskModel& model, EncoderSession& session,
                               std::span<const TextInput> inputs, const SequenceOptions& options,
                               const TaskCalls& calls) {
  constexpr std::int64_t kTokensBetweenCalls = 4096;
  TextBatchOptions batch_options;
  batch_options.max_length = model.max_length(options.max_length);
  batch_options.too_long = options.too_long;
  batch_options.encode = options.encode;
  const TextBatch batch =
      make_text_batch(model.tokenizer, session.threads(), inputs, batch_options);

  SequenceLogits out;
  out.labels = static_cast<std::int64_t>(model.labels().size());
  const auto C = static_cast<std::size_t>(out.labels);
  out.values.resize(inputs.size() * C);
  out.errors.resize(inputs.size());
  for (const RowError& e : batch.errors) out.errors[static_cast<std::size_t>(e.row)] = e.message;

  const auto cancelled = [&] { return calls.cancel && calls.cancel(); };
  session.cancel_when(cancelled);
  std::vector<std::int64_t> starts;
  std::vector<float> values;
  const std::size_t all = batch.rows.size();
  for (std::size_t first = 0, end = 0; first < all; first = end) {
    while (end < all && batch.starts[end] - batch.starts[first] < kTokensBetweenCalls) ++end;
    values.resize((end - first) * C);
    EncoderOutputs outputs;
    outputs.sequence_logits = {values.data(), static_cast<std::int64_t>(end - first), out.labels,
                               out.labels};
    session.run(part_of(batch, first, end, starts), outputs);
    for (std::size_t s = first; s < end; ++s) {
      const auto row = static_cast<std::size_t>(batch.rows[s]);
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>((s - first) * C), C,
                  out.values.begin() + static_cast<std::ptrdiff_t>(row * C));
    }
    if (calls.progress) {
      calls.progress(static_cast<std::int64_t>(end), static_cast<std::int64_t>(all));
    }
  }
  session.cancel_when({});
  return out;
}

}  // namespace linnet
