#include "engine/core/available_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "engine/core/cgroups.h"

namespace linnet {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

// The first number of a file, or `otherwise`.
std::int64_t number_in(const std::string& path, std::int64_t otherwise) {
  std::ifstream file(path);
  std::int64_t number = 0;
  return file >> number ? number : otherwise;
}

// The number after `key` in a file of "key number" lines, or `otherwise`.
std::int64_t number_of(const std::string& path, const std::string& key, std::int64_t otherwise) {
  std::ifstream file(path);
  std::string word;
  std::int64_t number = 0;
  while (file >> word) {
    if (word == key && file >> number) return number;
  }
  return otherwise;
}

std::int64_t group(const std::string& folder, const char* limit, const char* usage,
                   std::int64_t otherwise) {
  const std::int64_t most = number_in(folder + "/" + limit, kUnlimited);
  if (most == kUnlimited) return otherwise;
  const std::int64_t used =
      number_in(folder + "/" + usage, 0) - number_of(folder + "/memory.stat", "inactive_file", 0);
  return std::min(otherwise, std::max<std::int64_t>(most - std::max<std::int64_t>(used, 0), 0));
}

std::int64_t address_space_left() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  const std::int64_t pages = number_in("/proc/self/statm", 0);
  const std::int64_t most =
      static_cast<std::int64_t>(std::min<rlim_t>(limit.rlim_cur, static_cast<rlim_t>(kUnlimited)));
  return std::max<std::int64_t>(most - pages * sysconf(_SC_PAGESIZE), 0);
}

}  // namespace

std::int64_t cgroup_memory(const std::string& membership, const std::string& mount,
                           std::int64_t otherwise) {
  std::int64_t least = otherwise;
  for_each_cgroup(
      membership, mount, "memory", [&](const std::string& folder, CgroupVersion version) {
        least = version == CgroupVersion::kTwo
                    ? group(folder, "memory.max", "memory.current", least)
                    : group(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", least);
      });
  return least;
}

std::int64_t available_memory() {
  constexpr std::int64_t kKibibytes = std::int64_t{1} << 40;  // as much as any machine has
  const std::int64_t machine = 1024 * number_of("/proc/meminfo", "MemAvailable:", kKibibytes);
  return std::min(address_space_left(), cgroup_memory(own_cgroups(), kCgroupMount, machine));
}

}  // namespace linnet
