// Threads of hosts that have an OpenMP pool already (LINNET_THREADS=openmp at build time): one pool
// in the process instead of two that take turns on the same cores.
#include <omp.h>

#include <string>

#include "engine/core/float_environment.h"
#include "engine/core/parallel.h"
#include "weights/base/error.h"

namespace linnet {

struct Threads::Pool {};

Threads::Threads(int count) : count_(count) {
  if (count < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                "threads: found " + std::to_string(count) + ", expected 1 or more");
  }
}
Threads::~Threads() = default;

void Threads::run(int used, Body body, void* context) {
#pragma omp parallel num_threads(used)
  {
    const FloatEnvironment environment;
    // A host may allow fewer threads than asked for: each then takes several shares.
    for (int t = omp_get_thread_num(); t < used; t += omp_get_num_threads()) body(context, t);
  }
}

const char* threads_provider() { return "openmp"; }

}  // namespace linnet
