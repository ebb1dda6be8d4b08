#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "engine/core/parallel.h"

namespace linnet {
namespace {

int affinity_cpus() {
  // The kernel refuses a mask that is smaller than its own: grow until it fits.
  for (int cpus = 1024; cpus <= (1 << 20); cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(cpus));
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int found = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) return std::max(found, 1);
  }
  return static_cast<int>(std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L));
}

// cgroup v2: "cpu.max" holds "<quota> <period>" in µs, or "max <period>". The process's own group
// and every one above it count; the smallest wins.
int cgroup_cpus(int otherwise) {
  std::ifstream self("/proc/self/cgroup");
  std::string line, path;
  while (std::getline(self, line)) {
    if (line.starts_with("0::")) path = line.substr(3);
  }
  int least = otherwise;
  for (;;) {
    std::ifstream file("/sys/fs/cgroup" + path + "/cpu.max");
    long long quota = 0, period = 0;
    if (file >> quota >> period && quota > 0 && period > 0) {  // "max" is no number: no limit here
      const long long cpus = (quota + period - 1) / period;
      least = static_cast<int>(std::clamp<long long>(cpus, 1, least));
    }
    const std::size_t slash = path.find_last_of('/');
    if (path.empty() || slash == std::string::npos) return least;
    path.resize(slash);
  }
}

}  // namespace

int available_threads() { return cgroup_cpus(affinity_cpus()); }

}  // namespace linnet
