#pragma once

#include <optional>
#include <string>

#include "engine/compress/random_sequences.h"
#include "engine/models/encoder_model.h"
#include "weights/directory.h"

namespace linnet::tools {

/// What a calibrated scheme looks at the model with.
struct Calibration {
  std::string name;  // of the text's file, or "random ids"
  compress::Sequences sequences;

  Batch batch() const { return sequences.batch(); }
};

/// The lines of a text file as the model would see them, empty ones left out, until
/// compress::kEnoughCalibrationTokens; without a file, random ids. Throws kInvalidArgument for a
/// text of less than compress::kLeastCalibrationTokens and for a model without a tokenizer.
Calibration calibration_of(const std::optional<std::string>& file,
                           const weights::Directory& directory, const EncoderModel& model,
                           Threads& threads);

/// Random ids that its tokenizer may give, in sequences of at most so many. Throws as
/// calibration_of().
Calibration random_ids(const weights::Directory& directory, std::int64_t positions,
                       std::uint64_t seed);

}  // namespace linnet::tools
