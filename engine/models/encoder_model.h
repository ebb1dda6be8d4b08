#pragma once

#include "engine/models/encoder.h"
#include "engine/models/encoder_head.h"

namespace linnet {

/// A loaded encoder: immutable, shared by any number of sessions and threads.
struct EncoderModel {
  EncoderConfig config;
  kernels::KernelTable kernels;  // the level that the weights are packed for
  EncoderWeights weights;
  EncoderHead head;
};

}  // namespace linnet
