#pragma once

#include "tools/cli/program.h"

namespace linnet::cli {

/// Runs the command between two notes: program, level and threads before, time and the most memory
/// after.
int run_verbosely(const Arguments& arguments, Console& console);

}  // namespace linnet::cli
