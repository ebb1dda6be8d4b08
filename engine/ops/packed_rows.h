#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ops.h"

// Rows out of packed weights [N, K], for what is not a product: embeddings, checkpoints.
namespace linnet {

/// q[0 .. padded_k(K)) = row n: the inverse of kernels::PackS8Fn.
void unpack_row_s8(std::int8_t* q, const std::byte* packed, std::int64_t n, std::int64_t N,
                   std::int64_t K);

/// The same of weights of 4 bits, and t, the scales of its padded_k(K) / kGroupS4 groups: the
/// inverse of kernels::PackS4Fn.
void unpack_row_s4(std::int8_t* q, std::int8_t* t, const std::byte* packed, std::int64_t n,
                   std::int64_t N, std::int64_t K);

}  // namespace linnet
