#pragma once

#include "engine/models/gpt2_model.h"
#include "tools/forward/forward.h"
#include "tools/forward/outputs.h"

namespace linnet::tools {

/// forward() of a GPT-2.
void forward_gpt2(weights::Checkpoint checkpoint, const ForwardOptions& options,
                  const weights::Safetensors& inputs, OutputTensors& out);

}  // namespace linnet::tools
