#pragma once

#include <optional>
#include <vector>

#include "engine/models/common_config.h"
#include "kernels/ops.h"
#include "weights/name_map.h"

namespace linnet {

/// config.json of a GPT-2 model, names and defaults of transformers' GPT2Config.
struct Gpt2Config {
  CommonConfig common;
  std::int64_t vocab_size = 50257;
  std::int64_t n_positions = 1024;
  std::int64_t n_embd = 768;
  std::int64_t n_layer = 12;
  std::int64_t n_head = 12;
  std::int64_t n_inner = 3072;  // 4 · n_embd where the file says null
  kernels::Activation activation_function = kernels::Activation::kGeluTanh;
  double layer_norm_epsilon = 1e-5;
  bool scale_attn_weights = true;
  bool scale_attn_by_inverse_layer_idx = false;
  std::optional<std::int64_t> pad_token_id, bos_token_id, eos_token_id;

  std::int64_t head_width() const { return n_embd / n_head; }
  /// What scores of layer i are multiplied with: 1/√(head width) unless switched off, and divided
  /// by i + 1 where the config wants it. reorder_and_upcast_attn changes nothing in FP32.
  float attention_scale(std::int64_t layer) const;

  /// Throws kFormat for values that are no model, kUnsupported for heads and activations that are
  /// not here, pruned heads and cross-attention.
  static Gpt2Config from_json(json::Value config);
};

/// Parameters of GPT-2 and its heads. Where a weight has a bias, the bias is the next value.
enum class Gpt2Field : std::int32_t {
  kWte,
  kWpe,
  kLn1,
  kLn1Bias,
  kAttnC,
  kAttnCBias,
  kAttnProj,
  kAttnProjBias,
  kLn2,
  kLn2Bias,
  kMlpFc,
  kMlpFcBias,
  kMlpProj,
  kMlpProjBias,
  kLnF,
  kLnFBias,
  kLmHead,
  kScore,
  kClassifier,
  kClassifierBias,
  kSpan,
  kSpanBias,
  // Of a quantised model: the layers of linear_units.h in INT8, each with its scales and factors.
  kWteScale,
  kPackedAttnC,
  kPackedAttnCScale,
  kPackedAttnCFactors,
  kPackedAttnProj,
  kPackedAttnProjScale,
  kPackedAttnProjFactors,
  kPackedMlpFc,
  kPackedMlpFcScale,
  kPackedMlpFcFactors,
  kPackedMlpProj,
  kPackedMlpProjScale,
  kPackedMlpProjFactors,
  kPackedWte,
  kPackedWteScale,
  kPackedWteFactors,
  kPackedLmHead,
  kPackedLmHeadScale,
  kPackedLmHeadFactors,
};

/// The name table: every tensor of every head, those that `head` does not need as kUnused. Names as
/// in modeling_gpt2.py without the prefix "transformer.".
std::vector<weights::TensorRule> gpt2_tensors(const Gpt2Config& c, HeadKind head);
weights::NameSpelling gpt2_spelling();

}  // namespace linnet
