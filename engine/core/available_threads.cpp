#include "engine/core/available_threads.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "engine/core/cgroups.h"
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

// Both versions count in µs of CPU a period; "max" (version 2, no number) and -1 (version 1) are no
// limit.
int cpus_of(long long quota, long long period, int otherwise) {
  if (quota <= 0 || period <= 0) return otherwise;
  const long long cpus = quota / period + (quota % period != 0 ? 1 : 0);
  return static_cast<int>(std::clamp<long long>(cpus, 1, otherwise));
}

// Of one group; `otherwise` where its files cannot be read.
int group_cpus(const std::string& folder, CgroupVersion version, int otherwise) {
  long long quota = 0, period = 0;
  if (version == CgroupVersion::kTwo) {
    std::ifstream file(folder + "/cpu.max");
    return file >> quota >> period ? cpus_of(quota, period, otherwise) : otherwise;
  }
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"),
      period_file(folder + "/cpu.cfs_period_us");
  return quota_file >> quota && period_file >> period ? cpus_of(quota, period, otherwise)
                                                      : otherwise;
}

}  // namespace

int cgroup_cpus(const std::string& membership, const std::string& mount, int otherwise) {
  int least = otherwise;
  for_each_cgroup(membership, mount, "cpu", [&](const std::string& folder, CgroupVersion version) {
    least = group_cpus(folder, version, least);
  });
  return least;
}

int available_threads() { return cgroup_cpus(own_cgroups(), kCgroupMount, affinity_cpus()); }

}  // namespace linnet
