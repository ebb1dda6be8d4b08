#pragma once

#include "engine/core/layout.h"
#include "engine/core/parallel.h"
#include "engine/models/encoder_model.h"

// What the linear layers of an encoder see of some sequences, one block after the other.
//
//   T tokens of all sequences, packed   D model width   A heads · head width   F feed-forward width
namespace linnet::compress {

/// The inputs of the layers of one block, in FP32.
struct BlockInputs {
  Mat<const float> qkv = {};               // [T, D]
  Mat<const float> attention_output = {};  // [T, A]
  Mat<const float> intermediate = {};      // [T, D]
  Mat<const float> output = {};            // [T, F]
};

/// Runs a model over all sequences, one block at a time: the memory is that of one block.
class BlockByBlock {
 public:
  /// Computes the embeddings. All arguments outlive this. Throws as linnet::check(), and
  /// kInvalidArgument for a sequence that is too long.
  BlockByBlock(Threads& threads, const EncoderModel& model, const Batch& batch)
      : BlockByBlock(threads, model, model.weights, AttentionKind::kFloat32, batch) {}
  /// The same with other parameters of the same shapes, in FP32 or INT8, and other attention.
  BlockByBlock(Threads& threads, const EncoderModel& model, const EncoderWeights& weights,
               AttentionKind attention, const Batch& batch);

  /// Runs the next block; what is returned lives until the next call.
  BlockInputs next();
  /// The hidden states [T, D] after the blocks that have run.
  Mat<const float> hidden() const { return buffers_->x; }

 private:
  struct Buffers {
    Mat<float> x, before, middle;  // [T, D]: after, before and in the middle of a block
    Mat<float> attended;           // [T, A]
    Mat<float> qkv, ff;            // [T, 3A], [T, F] in the same bytes
    Mat<float> attention;          // scratch
    Scratch linear;
    Buffers(Layout& layout, const EncoderModel& model, AttentionKind kind, int threads,
            const Batch& batch);
  };

  Threads& threads_;
  const EncoderModel& model_;
  const EncoderWeights& weights_;
  AttentionKind attention_;
  Batch batch_;
  Placed<Buffers> buffers_;
  std::size_t blocks_ = 0;  // that have run
};

}  // namespace linnet::compress
