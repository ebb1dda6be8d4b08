#pragma once

#include <string>

namespace linnet {

/// CPUs that cgroups allow, rounded up (1.5 CPUs are 2 threads), at least 1 and at most
/// `otherwise`, which is also the answer where nothing is limited. `membership` is the text of
/// /proc/self/cgroup, `mount` the folder where the hierarchies are mounted. Version 2 (`cpu.max`)
/// and version 1 (`cpu.cfs_quota_us`), the groups named there and all above them: the smallest
/// wins. Groups whose files cannot be read, as seen from inside a container, limit nothing.
/// Source: Linux, Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst.
int cgroup_cpus(const std::string& membership, const std::string& mount, int otherwise);

}  // namespace linnet
