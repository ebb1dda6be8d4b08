#include "engine/core/available_threads.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
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

// Both versions count in µs of CPU a period; "max" (version 2, no number) and -1 (version 1) are no
// limit.
int cpus_of(long long quota, long long period, int otherwise) {
  if (quota <= 0 || period <= 0) return otherwise;
  const long long cpus = quota / period + (quota % period != 0 ? 1 : 0);
  return static_cast<int>(std::clamp<long long>(cpus, 1, otherwise));
}

int group_v2(const std::string& group, int otherwise) {
  long long quota = 0, period = 0;
  std::ifstream file(group + "/cpu.max");
  return file >> quota >> period ? cpus_of(quota, period, otherwise) : otherwise;
}

int group_v1(const std::string& group, int otherwise) {
  long long quota = 0, period = 0;
  std::ifstream quota_file(group + "/cpu.cfs_quota_us"), period_file(group + "/cpu.cfs_period_us");
  return quota_file >> quota && period_file >> period ? cpus_of(quota, period, otherwise)
                                                      : otherwise;
}

// The group and all above it.
int least_upwards(int (*group)(const std::string&, int), const std::string& mount, std::string path,
                  int least) {
  for (;;) {
    least = group(mount + path, least);
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return least;
    path.resize(slash);
  }
}

}  // namespace

int cgroup_cpus(const std::string& membership, const std::string& mount, int otherwise) {
  std::istringstream lines(membership);
  int least = otherwise;
  for (std::string line; std::getline(lines, line);) {  // number:controllers:path
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      least = least_upwards(group_v2, mount, path, least);
    } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      // The folder has the name of all controllers; most systems link to it as "cpu", too.
      least = least_upwards(group_v1, mount + "/" + controllers, path, least);
      least = least_upwards(group_v1, mount + "/cpu", path, least);
    }
  }
  return least;
}

int available_threads() {
  std::ifstream file("/proc/self/cgroup");
  const std::string membership{std::istreambuf_iterator<char>(file), {}};
  return cgroup_cpus(membership, "/sys/fs/cgroup", affinity_cpus());
}

}  // namespace linnet
