#pragma once

#include <memory>
#include <string>

#include "bench/peers/linnet_worker.h"
#include "engine/core/context.h"

namespace linnet::bench {

/// Runs a sequence classifier at the best level of the machine; kInt8 is a directory that linnet
/// quantize wrote. Requests: batch, run, about.
std::unique_ptr<Worker> make_encoder_worker(const std::string& directory, int threads,
                                            Precision precision);

}  // namespace linnet::bench
