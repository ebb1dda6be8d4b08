#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/models/encoder_model.h"
#include "weights/manifest.h"
#include "weights/output.h"
#include "weights/safetensors.h"

// Tensors on their way from one file to another, a piece at a time.
namespace linnet::tools {

/// One tensor to write, and where its elements come from.
struct Transfer {
  weights::TensorHeader to;
  weights::TensorView from;
};

/// Called with pieces of the tensor's content in its new type, in order.
using Piece = std::function<void(std::span<const std::byte>)>;

/// Gives the elements in the type asked for. The number of those that do not come back from that
/// type is the result. Throws kNumeric for a NaN or infinity where they are refused, and for a
/// finite number that becomes infinite.
std::int64_t transfer(const Transfer& what, NonFinite non_finite, const Piece& piece);

/// Throws kFormat unless the tensor `written` is what the transfer gives.
void compare(const Transfer& what, const weights::TensorView& written);

}  // namespace linnet::tools
