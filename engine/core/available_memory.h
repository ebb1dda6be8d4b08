#pragma once

#include <cstdint>
#include <string>

namespace linnet {

/// Bytes that cgroups let this process take yet, at most `otherwise`, which is also the answer
/// where nothing is limited. `membership` and `mount` as in cgroup_cpus(). Version 2 (`memory.max`,
/// `memory.current`) and version 1 (`memory.limit_in_bytes`, `memory.usage_in_bytes`), the groups
/// named there and all above them: the smallest wins. Pages of files that the system may drop
/// (`inactive_file`) count as free.
/// Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
std::int64_t cgroup_memory(const std::string& membership, const std::string& mount,
                           std::int64_t otherwise);

/// Bytes that this process can take yet without swapping: the least of MemAvailable of
/// /proc/meminfo, its cgroups and its address-space limit.
std::int64_t available_memory();

}  // namespace linnet
