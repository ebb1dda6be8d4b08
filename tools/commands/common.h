#pragma once

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

}  // namespace linnet::commands
