#include "engine/models/load_trainable.h"

#include "engine/models/encoder_parameters.h"
#include "engine/models/gpt2_model.h"
#include "engine/models/gpt2_parameters.h"

namespace linnet {

std::unique_ptr<TrainableModel> load_trainable(const weights::Checkpoint& checkpoint,
                                               const LoadOptions& options,
                                               const TrainableOptions& trainable) {
  if (is_gpt2(trainable.config.value_or(checkpoint.config()))) {
    return std::make_unique<TrainableGpt2>(load_trainable_gpt2(checkpoint, options, trainable));
  }
  return std::make_unique<TrainableEncoder>(load_trainable_encoder(checkpoint, options, trainable));
}

}  // namespace linnet
