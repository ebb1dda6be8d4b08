#pragma once

#include "engine/models/encoder_session.h"
#include "tools/cli/arguments.h"
#include "tools/cli/option.h"

// Options that several commands share. What they mean is written once, here.
namespace linnet::commands {

using cli::Kind;
using cli::Option;

inline constexpr Option kJson{.name = "json", .help = "Write JSON."};

inline constexpr Option kIsa{
    .name = "isa",
    .kind = Kind::kText,
    .value = "LEVEL",
    .help =
        "Instruction-set level to run at, the best of this machine by default. Every level gives "
        "the same bytes."};

inline constexpr Option kModel{.name = "model",
                               .kind = Kind::kDirectory,
                               .value = "DIR",
                               .help = "Hugging Face model directory.",
                               .letter = "m",
                               .required = true};

inline constexpr Option kThreads{
    .name = "threads",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "Threads, as many as this process may use by default. Any number gives the same bytes.",
    .letter = "t",
    .low = 1,
    .high = 4095};

inline constexpr Option kForce{.name = "force", .help = "Overwrite an existing output."};

/// What --isa and --threads say, for loading and for running.
LoadOptions load_options(const cli::Arguments& args);
SessionOptions session_options(const cli::Arguments& args);

}  // namespace linnet::commands
