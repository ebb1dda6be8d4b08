#pragma once

#include "tools/commands/common.h"

// Options of linnet train for language modelling and for models that begin from nothing.
namespace linnet::commands {

inline constexpr Option kBlockSize{
    .name = "block-size",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "language-modeling: tokens of a block; by default the model's positions, up to 1024.",
    .low = 2};
inline constexpr Option kMlmProbability{
    .name = "mlm-probability",
    .kind = Kind::kNumber,
    .value = "X",
    .help = "masked-language-modeling: share of the tokens that are to be predicted.",
    .fallback = "0.15",
    .low = 0,
    .high = 1};
inline constexpr Option kWholeWordMask{
    .name = "whole-word-mask",
    .help = "masked-language-modeling: all pieces of a word are chosen together."};
inline constexpr Option kFromScratch{
    .name = "from-scratch",
    .help = "Begin with random parameters: of the model, its config.json and tokenizer are read."};
inline constexpr Option kConfigOverrides{
    .name = "config-overrides",
    .kind = Kind::kText,
    .value = "K=V,...",
    .help = "With --from-scratch: other values of config.json, e.g. n_embd=256,n_layer=6."};
inline constexpr Option kRecompute{
    .name = "recompute",
    .help =
        "Keep no activations inside layers and compute them again on the way back: less memory, "
        "more time, the same bytes."};

}  // namespace linnet::commands
