#pragma once

#include <string>

#include "tools/evaluate/scores.h"
#include "tools/evaluate/squad_file.h"

namespace linnet::tools {

/// The official scores of predictions, in per cent and by their official names. Throws kFormat when
/// a question has no prediction; predictions for other questions do not count.
Scores score_squad(const SquadFile& data, const SquadPredictions& predictions,
                   const std::string& predictions_name);

}  // namespace linnet::tools
