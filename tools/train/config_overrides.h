#pragma once

#include <string>
#include <string_view>

#include "weights/base/json.h"

namespace linnet::tools {

/// `config` with other values: "n_embd=256,n_layer=6,tie_word_embeddings=false". A value keeps its
/// kind; null becomes an integer. Throws kInvalidArgument for a key that is not there, or that is
/// no number, boolean, string or null, and for a value of another kind.
std::string override_config(json::Value config, std::string_view overrides);

}  // namespace linnet::tools
