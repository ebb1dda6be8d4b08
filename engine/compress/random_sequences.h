#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/batch.h"

namespace linnet::compress {

/// Sequences that own their ids.
struct Sequences {
  std::vector<std::int32_t> tokens, positions, types;  // types: empty where all are 0
  std::vector<std::int64_t> starts{0};

  Batch batch() const { return {tokens, positions, types, starts}; }
};

/// What random sequences are made of. `ordinary` are the ids that text may become: no special and
/// no unused ones.
struct RandomIds {
  std::int32_t cls = 0, sep = 0;
  std::span<const std::int32_t> ordinary;
  std::int64_t positions = 512;  // of the model: its longest sequence
};

/// `count` sequences [CLS] 6..49 ids [SEP], lengths and ids uniform: a calibration where there is
/// no text. The same on every machine for the same seed. Throws kInvalidArgument without ids.
Sequences random_sequences(const RandomIds& ids, std::int64_t count = 128, std::uint64_t seed = 0);

}  // namespace linnet::compress
