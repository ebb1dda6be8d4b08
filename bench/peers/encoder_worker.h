#pragma once

#include <memory>
#include <string>

#include "bench/peers/linnet_worker.h"

namespace linnet::bench {

/// Runs a sequence classifier in FP32 at the best level of the machine. Requests: batch, run,
/// about.
std::unique_ptr<Worker> make_encoder_worker(const std::string& directory, int threads);

}  // namespace linnet::bench
