#pragma once

#include <string>
#include <vector>

#include "tools/convert/quantize.h"

namespace linnet::tools {

/// Runs the model before and after it was quantised, in turn, on one sequence of 16 and one of 128
/// tokens, and tells where INT8 takes longer on this machine: a sentence each, mostly none.
std::vector<std::string> slower_than_before(const QuantizeOptions& options);

}  // namespace linnet::tools
