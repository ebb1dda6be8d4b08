#pragma once

#include <string>
#include <string_view>

#include "engine/core/function_ref.h"

namespace linnet {

enum class CgroupVersion { kOne, kTwo };

/// Calls use() with the folder of each control group that may limit `controller` ("cpu", "memory"):
/// the groups that `membership` names, and all above them. `membership` is the text of
/// /proc/self/cgroup, `mount` the folder where the hierarchies are mounted. Folders need not exist.
/// Source: cgroups(7); Linux, Documentation/admin-guide/cgroup-v2.rst.
void for_each_cgroup(const std::string& membership, const std::string& mount,
                     std::string_view controller,
                     FunctionRef<void(const std::string& folder, CgroupVersion version)> use);

/// The text of /proc/self/cgroup, and where systems mount the hierarchies.
std::string own_cgroups();
inline constexpr char kCgroupMount[] = "/sys/fs/cgroup";

}  // namespace linnet
