#pragma once

#include <memory>
#include <string>

#include "bench/peers/linnet_worker.h"
#include "engine/core/context.h"

namespace linnet::bench {

/// Continues token ids greedily at the best level of the machine; kInt8 is a directory that linnet
/// quantize wrote, in whatever number format. Requests: batch, generate, about.
std::unique_ptr<Worker> make_generator_worker(const std::string& directory, int threads,
                                              Precision precision);

}  // namespace linnet::bench
