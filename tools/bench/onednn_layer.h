#pragma once

#include "tools/bench/opponent.h"

namespace linnet::bench {

/// oneDNN as `--backend onednn` runs it, over linnet's plug-in. On levels without all that the
/// machine has oneDNN is capped too.
extern const OpponentLibrary kOneDnnLayers;

}  // namespace linnet::bench
