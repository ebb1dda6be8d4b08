#pragma once

#include "tools/cli/program.h"

namespace linnet::cli {

/// A note when the command computes in BF16: results are then not the same bytes everywhere.
void name_precision(const Arguments& arguments, const Console& console);

/// Runs the command between two notes: program, level and threads before, time and the most memory
/// after.
int run_verbosely(const Arguments& arguments, Console& console);

}  // namespace linnet::cli
