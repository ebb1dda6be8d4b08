#pragma once

#include <memory>
#include <string>

#include "bench/peers/linnet_worker.h"

namespace linnet::bench {

/// kEverything: encode(), offsets and all. kIds: encode_ids().
enum class TokenizerMode { kEverything, kIds };

/// Encodes texts. Requests: read, tokenize.
std::unique_ptr<Worker> make_tokenizer_worker(const std::string& directory, int threads,
                                              TokenizerMode mode);

}  // namespace linnet::bench
