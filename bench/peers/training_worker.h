#pragma once

#include <memory>
#include <string>

#include "bench/peers/linnet_worker.h"
#include "engine/core/context.h"

namespace linnet::bench {

/// Trains a sequence classifier or a language model as `linnet train` does, at the best level of
/// the machine. Requests: train, steps, about.
std::unique_ptr<Worker> make_training_worker(const std::string& directory, int threads,
                                             Precision precision);

}  // namespace linnet::bench
