#pragma once

#include <cstdint>

namespace linnet {

/// Parameters of an encoder and its heads, as the name tables of BERT and DistilBERT tell them
/// apart. Where a weight has a bias, the bias is the next value.
enum class EncoderField : std::int32_t {
  kWordEmbeddings,
  kPositionEmbeddings,
  kTypeEmbeddings,
  kEmbeddingNorm,
  kEmbeddingNormBias,
  kQuery,
  kQueryBias,
  kKey,
  kKeyBias,
  kValue,
  kValueBias,
  kAttentionOutput,
  kAttentionOutputBias,
  kAttentionNorm,
  kAttentionNormBias,
  kIntermediate,
  kIntermediateBias,
  kOutput,
  kOutputBias,
  kOutputNorm,
  kOutputNormBias,
  kPooler,
  kPoolerBias,  // BERT's pooler, DistilBERT's pre_classifier
  kClassifier,
  kClassifierBias,  // of sequences, choices or tokens
  kSpan,
  kSpanBias,  // qa_outputs
  kTransform,
  kTransformBias,  // of the masked-LM head
  kTransformNorm,
  kTransformNormBias,
  kDecoder,
  kDecoderBias,
  kPredictionBias,  // BERT's second name of the decoder's bias
  kSeqRelationship,
  kSeqRelationshipBias,
  // Of a quantised model: the layers of linear_units.h in INT8.
  kWordEmbeddingsScale,
  kPackedQkv,
  kPackedQkvScale,
  kPackedQkvFactors,
  kPackedAttentionOutput,
  kPackedAttentionOutputScale,
  kPackedAttentionOutputFactors,
  kPackedIntermediate,
  kPackedIntermediateScale,
  kPackedIntermediateFactors,
  kPackedOutput,
  kPackedOutputScale,
  kPackedOutputFactors,
};

inline EncoderField bias_of(EncoderField weight) {
  return static_cast<EncoderField>(static_cast<std::int32_t>(weight) + 1);
}

}  // namespace linnet
