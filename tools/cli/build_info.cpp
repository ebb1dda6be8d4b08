#include "tools/cli/build_info.h"

#include <string_view>

#include "engine/backends/onednn.h"
#include "kernels/isa.h"
#include "tools/cli/commit.h"
#include "weights/base/error.h"

namespace linnet::cli {

std::string version_number() { return LINNET_VERSION; }

std::string commit() { return LINNET_COMMIT; }

std::string compiler() { return LINNET_COMPILER; }

std::string levels_compiled() {
  std::string levels;
  for (int i = 0;; ++i) {
    const std::string_view level = kernels::name(static_cast<kernels::Isa>(i));
    if (level == "unknown") return levels;
    levels += (levels.empty() ? "" : " ") + std::string(level);
  }
}

std::string levels_detected() {
  std::string levels;
  for (kernels::Isa isa : kernels::supported_isas()) {
    levels += (levels.empty() ? "" : " ") + std::string(kernels::name(isa));
  }
  return levels;
}

std::string onednn_version() {
  try {
    return onednn::Plugin::open().version();
  } catch (const Error&) {
    return "";
  }
}

std::string version_text() {
  const std::string onednn = onednn_version();
  const std::string detected = levels_detected();
  return "linnet " + version_number() + " (commit " + commit() + ")\n" +
         "compiler:        " + compiler() + "\n" + "levels compiled: " + levels_compiled() + "\n" +
         "levels detected: " + (detected.empty() ? "none: x86-64-v3 is needed" : detected) + "\n" +
         "oneDNN:          " + (onednn.empty() ? "none" : onednn) + "\n";
}

}  // namespace linnet::cli
