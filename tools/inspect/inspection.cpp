#include "tools/inspect/inspection.h"

#include <functional>

#include "engine/tasks/embedder.h"
#include "weights/base/error.h"
#include "weights/name_map.h"

namespace linnet::tools {
namespace {

EncoderInspection inspect_encoder(const weights::Checkpoint& checkpoint,
                                  const InspectOptions& options) {
  const kernels::KernelTable table = kernels::make_table(options.isa);
  EncoderInspection found;
  found.description = describe_encoder(checkpoint.config());
  const EncoderConfig& config = found.description.config;
  found.parameter_bytes = parameter_bytes(found.description, table);
  found.embedding_bytes = config.vocab_size * config.D * static_cast<std::int64_t>(sizeof(float));
  found.session_bytes = session_bytes(config, table, options.session);
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
  attempt(result, [&] { result.encoder = inspect_encoder(checkpoint, options); });
  const weights::Directory& folder = checkpoint.directory();
  attempt(result, [&] {
    const bool there = has_tokenizer(folder);
    if (there) result.tokenizer = load_tokenizer(folder);
  });
  if (!result.encoder) return result;
  EncoderInspection& encoder = *result.encoder;
  attempt(result, [&] {
    weights::NameMap names =
        map_names(checkpoint, encoder.description.rules, encoder.description.spelling);
    warn_of_rounding(names);
    encoder.account = std::move(names.account);
    add(result.warnings, names.warnings);
  });
  attempt(result, [&] {
    const EncoderConfig& config = encoder.description.config;
    if (folder.open("modules.json")) {
      encoder.sentence = read_sentence_config(folder, config.D);
    }
    encoder.max_length = effective_max_length(
        std::nullopt, encoder.sentence.value_or(SentenceConfig{}),
        result.tokenizer ? result.tokenizer->facts().model_max_length : std::nullopt,
        config.positions);
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
