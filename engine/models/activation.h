#pragma once

#include "kernels/kernel_table.h"
#include "weights/base/json.h"

namespace linnet {

/// The activation that a config names ("gelu", "gelu_new", "relu", …); throws kUnsupported for one
/// that is not here, naming it.
kernels::Activation read_activation(json::Value config, std::string_view key,
                                    kernels::Activation otherwise);

}  // namespace linnet
