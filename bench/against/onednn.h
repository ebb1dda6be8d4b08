#pragma once

#include "tools/bench/opponent.h"

namespace linnet::bench {

/// oneDNN's inner product at its best: weights in the layout that it chooses, bias, scales and what
/// follows in the primitive. Requantising has one constant scale there, which is less work than the
/// scale for each row here. A level without AVX-512 needs a problem whose x is not negative: x is
/// unsigned then, which is what oneDNN is fastest with there.
extern const OpponentLibrary kOneDnn;

}  // namespace linnet::bench
