#pragma once

#include "engine/models/pack_linear.h"

namespace linnet {

/// pack_linear() of one float tensor that is stored [in, out], as GPT-2's Conv1D layers are: the
/// transpose of the weights [N, K]. Of the kinds kFloat32 and kBfloat16.
void pack_conv1d(const kernels::KernelTable& kernels, Threads& threads, const LinearPlace& place,
                 const weights::TensorView& tensor);

}  // namespace linnet
