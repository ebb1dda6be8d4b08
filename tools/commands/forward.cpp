#include "tools/forward/forward.h"

#include <algorithm>
#include <charconv>

#include "tools/cli/exit_code.h"
#include "tools/cli/program.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"

namespace linnet::commands {
namespace {

constexpr Option kInputs{
    .name = "inputs",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "safetensors file with input_ids (I64 [B, T] or [B, choices, T]) and, where wanted, "
        "attention_mask, token_type_ids and position_ids; b0., b1., ... in front of the names "
        "make several batches.",
    .required = true};
constexpr Option kOutput{.name = "output",
                         .kind = Kind::kFile,
                         .value = "FILE",
                         .help = "safetensors file to write.",
                         .letter = "o",
                         .required = true};
constexpr Option kHiddenStates{
    .name = "hidden-states",
    .help = "Write hidden_states.N too: after the embeddings (0) and after each layer."};

constexpr Option kChunks{
    .name = "chunks",
    .kind = Kind::kText,
    .value = "N,N,...",
    .help =
        "Feed the columns in pieces of these sizes through the key/value cache of a GPT-2: writes "
        "chunkI.logits, full.logits, cache.L.key and cache.L.value."};

constexpr Option kLabels{
    .name = "labels",
    .help =
        "Write loss too, from labels (I64, or F32 for regression and several labels at once), "
        "start_positions and end_positions, or next_sentence_label, as the head wants them."};
constexpr Option kGradients{
    .name = "gradients",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "safetensors file to write the gradient of the loss to, grad.NAME for each tensor of the "
        "checkpoint; for one batch with labels."};

std::vector<std::int64_t> chunks(std::string_view text) {
  std::vector<std::int64_t> sizes;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    std::int64_t size = 0;
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), size);
    if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size() || size < 1) {
      throw cli::UsageError("--chunks: expected numbers of tokens with commas between them");
    }
    sizes.push_back(size);
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return sizes;
}

constexpr Option kDtype{
    .name = "dtype",
    .kind = Kind::kChoice,
    .value = "TYPE",
    .help =
        "What the layers compute in. int8: weights are quantised by output channel while loading, "
        "activations by row; heads stay in float32, but for the product with the vocabulary of a "
        "gpt2.",
    .fallback = "float32",
    .choices = "float32|int8"};

constexpr const Option* kOptions[] = {&kModel,  &kInputs,    &kOutput,  &kForce,   &kHiddenStates,
                                      &kLabels, &kGradients, &kChunks,  &kDtype,   &kThreads,
                                      &kIsa,    &kPrecision, &kBackend, &kWeights, &kMlock};

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination destination{std::string(args.text(kOutput)), args.flag(kForce)
                                                                         ? io::Overwrite::kAllow
                                                                         : io::Overwrite::kRefuse};
  io::check_destination(destination);
  tools::ForwardOptions options;
  options.model = args.text(kModel);
  options.inputs = args.text(kInputs);
  options.outputs = destination.path;
  options.hidden_states =
      args.flag(kHiddenStates) ? tools::WithHiddenStates::kYes : tools::WithHiddenStates::kNo;
  options.gradients = args.text(kGradients);
  const bool labels = args.flag(kLabels) || !options.gradients.empty();
  options.labels = labels ? tools::WithLabels::kYes : tools::WithLabels::kNo;
  if (labels && (args.text(kDtype) == "int8" || args.text(kPrecision) == "bf16")) {
    throw cli::UsageError("--labels and --gradients are for float32");
  }
  if (!options.gradients.empty()) io::check_destination({options.gradients, destination.overwrite});
  options.chunks = chunks(args.text(kChunks));
  options.load = load_options(args, console.log);
  if (args.text(kDtype) == "int8") {
    if (options.load.precision == Precision::kBfloat16) {
      throw cli::UsageError("--dtype int8 and --precision bf16 contradict each other");
    }
    options.load.precision = Precision::kInt8;
  }
  options.session = session_options(args);
  tools::forward(options);
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kForward{
    .name = "forward",
    .summary = "Run token ids through a model and write its outputs as tensors",
    .description =
        "For comparison with other implementations. Outputs have the names that transformers "
        "gives them: last_hidden_state, pooler_output, logits, start_logits, end_logits, "
        "prediction_logits, seq_relationship_logits; sentence_embedding and token_embeddings "
        "where the directory has a modules.json. They are F32, shaped like the inputs, with zeros "
        "at masked places. Without position_ids a token's position is its column.",
    .examples =
        "# logits for the batches of a file\n"
        "linnet forward --model DIR --inputs ids.safetensors --output logits.safetensors\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
