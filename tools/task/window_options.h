#pragma once

#include "tools/commands/common.h"

// Options of the commands that read a context in overlapping windows: answer and evaluate.
namespace linnet::commands {

inline constexpr Option kMaxSeqLen{
    .name = "max-seq-len",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "Tokens of a window; by default 384, or fewer where the model reads fewer.",
    .low = 1};
inline constexpr Option kDocStride{
    .name = "doc-stride",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "Tokens that neighbouring windows share; by default 128, at most half a window.",
    .low = 0};

}  // namespace linnet::commands
