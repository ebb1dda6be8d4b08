// linnet.json: refused with an Error, or read, written and read again without a difference; the
// layers in INT8 that it tells of fit a model or are refused too.
#include "weights/manifest.h"

#include <cstdlib>

#include "engine/models/gpt2_model.h"
#include "engine/models/linear_units.h"
#include "weights/base/error.h"

namespace {

using linnet::weights::Manifest;

Manifest read(std::string_view text) {
  return linnet::weights::read_manifest(
      linnet::json::parse(text, "linnet.json", linnet::json::kConfigBytes).root());
}

const linnet::kernels::KernelTable& table() {
  static const auto reference = linnet::kernels::make_table(linnet::kernels::Isa::kReference);
  return reference;
}

// A GPT-2 that the layers may or may not belong to.
void apply_to_gpt2(const Manifest& manifest) {
  static const auto document = linnet::json::parse(
      R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 48, "n_head": 3,
          "vocab_size": 211, "n_layer": 2, "n_positions": 40})",
      "config.json", linnet::json::kConfigBytes);
  linnet::Gpt2Description description = linnet::describe_gpt2(document.root());
  try {
    apply_quantized_layers(description, manifest);
  } catch (const linnet::Error&) {
    return;
  }
  parameter_bytes(description, table(), linnet::Precision::kFloat32, linnet::PackedWeights::kCopy);
}

// A BERT that they may or may not belong to.
void apply(const Manifest& manifest) {
  if (!manifest.quantization) return;
  apply_to_gpt2(manifest);
  static const auto document = linnet::json::parse(
      R"({"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 48, "vocab_size": 211,
          "intermediate_size": 100, "num_attention_heads": 3, "num_hidden_layers": 2,
          "max_position_embeddings": 40})",
      "config.json", linnet::json::kConfigBytes);
  linnet::EncoderDescription description = linnet::describe_encoder(document.root());
  try {
    apply_quantized_layers(description, manifest);
  } catch (const linnet::Error&) {
    return;
  }
  // What fits has a size that can be added up.
  parameter_bytes(description, table(), linnet::Precision::kFloat32, linnet::Backend::kLinnet,
                  linnet::PackedWeights::kCopy);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string first;
  try {
    const Manifest manifest = read({reinterpret_cast<const char*>(data), size});
    first = manifest_text(manifest);
    apply(manifest);
  } catch (const linnet::Error&) {
    return 0;
  }
  // What was read is written in a form that is read: an error here is one of ours.
  if (manifest_text(read(first)) != first) std::abort();
  return 0;
}
