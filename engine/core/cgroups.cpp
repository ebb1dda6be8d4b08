#include "engine/core/cgroups.h"

#include <fstream>
#include <iterator>
#include <sstream>

namespace linnet {
namespace {

using Use = FunctionRef<void(const std::string& folder, CgroupVersion version)>;

void upwards(const std::string& mount, std::string path, CgroupVersion version, const Use& use) {
  for (;;) {
    use(mount + path, version);
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return;
    path.resize(slash);
  }
}

// Whether a list with commas has this one.
bool names(const std::string& controllers, std::string_view wanted) {
  return ("," + controllers + ",").find("," + std::string(wanted) + ",") != std::string::npos;
}

}  // namespace

void for_each_cgroup(const std::string& membership, const std::string& mount,
                     std::string_view controller, Use use) {
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // number:controllers:path
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      upwards(mount, path, CgroupVersion::kTwo, use);
    } else if (names(controllers, controller)) {
      // The folder has the name of all its controllers; most systems link to it by each name, too.
      upwards(mount + "/" + controllers, path, CgroupVersion::kOne, use);
      upwards(mount + "/" + std::string(controller), path, CgroupVersion::kOne, use);
    }
  }
}

std::string own_cgroups() {
  std::ifstream file("/proc/self/cgroup");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace linnet
