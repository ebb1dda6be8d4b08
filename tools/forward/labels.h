#pragma once

#include <string>

#include "tools/forward/forward.h"
#include "tools/forward/outputs.h"
#include "weights/checkpoint.h"
#include "weights/safetensors.h"

namespace linnet::tools {

/// Adds PREFIX.loss for each batch of the inputs, from PREFIX.labels (I64, or F32 for regression
/// and several labels at once), PREFIX.start_positions and end_positions, or
/// PREFIX.next_sentence_label, as the head wants them. With options.gradients, the file has one
/// batch, and the loss and its gradient with respect to every parameter are written there, as
/// `loss` and `grad.` + the checkpoint's name. FP32. Throws kFormat for labels that are missing or
/// do not fit, kUnsupported for a model without a loss.
void forward_labels(const weights::Checkpoint& checkpoint, const ForwardOptions& options,
                    const weights::Safetensors& inputs, OutputTensors& out);

}  // namespace linnet::tools
