#include "tools/inspect/inspection.h"

#include <functional>

#include "engine/models/encoder_session.h"
#include "engine/models/gpt2_session.h"
#include "engine/tasks/embedder.h"
#include "weights/base/error.h"
#include "weights/name_map.h"

namespace linnet::tools {
namespace {

ModelInspection inspect_encoder(const weights::Checkpoint& checkpoint,
                                const InspectOptions& options, const kernels::KernelTable& table) {
  const EncoderDescription d = describe_encoder(checkpoint);
  ModelInspection found;
  found.heads = d.config.heads;
  found.head_width = d.config.head_width;
  found.feed_forward = d.config.F;
  found.token_types = d.config.token_types;
  found.parameter_bytes =
      parameter_bytes(d, table, Precision::kFloat32, Backend::kLinnet, PackedWeights::kCopy);
  const auto precision = d.is_quantized() ? Precision::kInt8 : Precision::kFloat32;
  found.session_bytes = session_bytes(d.config, table, options.session, precision);
  found.description = d;
  return found;
}

ModelInspection inspect_gpt2(const weights::Checkpoint& checkpoint, const InspectOptions& options,
                             const kernels::KernelTable& table) {
  const Gpt2Description d = describe_gpt2(checkpoint);
  const Gpt2Config& c = d.config;
  ModelInspection found;
  found.heads.assign(static_cast<std::size_t>(c.n_layer), c.n_head);
  found.head_width = c.head_width();
  found.feed_forward = c.n_inner;
  found.parameter_bytes = parameter_bytes(d, table, Precision::kFloat32, PackedWeights::kCopy);
  const auto precision = d.is_quantized() ? Precision::kInt8 : Precision::kFloat32;
  found.session_bytes = session_bytes(c, table, options.session, precision);
  found.cache_bytes = KvCacheShape{1, c.n_positions, c.n_layer, c.n_embd, c.n_head}.bytes();
  found.description = d;
  return found;
}

ModelInspection inspect_model(const weights::Checkpoint& checkpoint,
                              const InspectOptions& options) {
  const kernels::KernelTable table = kernels::make_table(options.isa);
  ModelInspection found = is_gpt2(checkpoint.config())
                              ? inspect_gpt2(checkpoint, options, table)
                              : inspect_encoder(checkpoint, options, table);
  const ModelDescription& d = found.description;
  const bool packed = d.tied_unit && d.is_packed(d.tied_unit->packed);
  const std::int64_t values = packed ? 0 : d.vocab_size * d.width;
  found.embedding_bytes =
      d.packed_words ? values : values * static_cast<std::int64_t>(sizeof(float));
  return found;
}

// Runs `step`; what it throws becomes a problem.
void attempt(Inspection& inspection, const std::function<void()>& step) {
  try {
    step();
  } catch (const Error& error) {
    inspection.problems.emplace_back(error.what());
  }
}

void add(std::vector<std::string>& to, std::span<const std::string> more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

Inspection inspect(const std::string& directory, const InspectOptions& options) {
  Inspection result{weights::Checkpoint(directory, options.open), {}, {}, {}, {}};
  const weights::Checkpoint& checkpoint = result.checkpoint;
  add(result.warnings, checkpoint.warnings());
  attempt(result, [&] { result.model = inspect_model(checkpoint, options); });
  const weights::Directory& folder = checkpoint.directory();
  attempt(result, [&] {
    const bool there = has_tokenizer(folder);
    if (there) result.tokenizer = load_tokenizer(folder);
  });
  if (!result.model) return result;
  ModelInspection& model = *result.model;
  attempt(result, [&] {
    weights::NameMap names =
        map_names(checkpoint, model.description.rules, model.description.spelling);
    warn_of_rounding(names);
    model.account = std::move(names.account);
    add(result.warnings, names.warnings);
  });
  attempt(result, [&] {
    const ModelDescription& d = model.description;
    if (folder.open("modules.json")) {
      model.sentence = read_sentence_config(folder, d.width);
    }
    model.max_length = effective_max_length(
        std::nullopt, model.sentence.value_or(SentenceConfig{}),
        result.tokenizer ? result.tokenizer->facts().model_max_length : std::nullopt, d.positions);
  });
  return result;
}

std::int64_t parameter_count(const weights::Checkpoint& checkpoint) {
  std::int64_t count = 0;
  for (const weights::TensorView& tensor : checkpoint.tensors()) count += tensor.elements();
  return count;
}

const char* name(weights::Fate fate) {
  switch (fate) {
    case weights::Fate::kUsed:
      return "used";
    case weights::Fate::kUnused:
      return "unused";
    case weights::Fate::kBuffer:
      return "buffer";
    case weights::Fate::kUnexpected:
      return "unexpected";
  }
  return "unknown";
}

}  // namespace linnet::tools
