#pragma once

#include "tools/bench/record.h"

namespace linnet::bench {

/// Where, when and by what a document was measured: build, machine, command, and what the machine
/// can do at this moment.
struct Probes {
  double clock_ghz = 0;
  double memory_gbytes = 0;
};
Probes probe_machine();
Record provenance(const Probes& probes);

/// Memory of this process in bytes: now, and the most there ever was.
std::int64_t resident_bytes();
std::int64_t peak_resident_bytes();

}  // namespace linnet::bench
