#pragma once

#include "engine/compress/quality_report.h"
#include "engine/compress/quantize_units.h"
#include "engine/models/gpt2_model.h"

namespace linnet::compress {

/// measure_quality() of a GPT-2: `quantized` are the linear_units() of the FP32 model. The layers
/// have the names of the checkpoint; the product with the vocabulary, where there is one, is the
/// last, "lm_head". Throws as linnet::check(), and kInvalidArgument for a sequence that is too
/// long.
StepQuality measure_gpt2_quality(Threads& threads, const Gpt2Model& exact,
                                 const QuantizedUnits& quantized, const Batch& batch);

}  // namespace linnet::compress
