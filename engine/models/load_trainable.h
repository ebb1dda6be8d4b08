#pragma once

#include <memory>

#include "engine/models/encoder_model.h"
#include "engine/models/training.h"

namespace linnet {

/// A BERT, DistilBERT or GPT-2 for training. Throws as load_trainable_encoder() and
/// load_trainable_gpt2() do.
std::unique_ptr<TrainableModel> load_trainable(const weights::Checkpoint& checkpoint,
                                               const LoadOptions& options,
                                               const TrainableOptions& trainable = {});

}  // namespace linnet
