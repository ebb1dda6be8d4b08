#include "tools/task/default_model.h"

#include <cstdlib>
#include <filesystem>

#include "weights/base/error.h"

namespace linnet::tools {
namespace fs = std::filesystem;

namespace {

constexpr const char* kVariable = "LINNET_DEFAULT_MODEL";
// From the folder of the program.
constexpr const char* kPlaces[] = {"../share/linnet/default", "../../../weights/default"};

bool is_model(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / "config.json", ignored);
}

}  // namespace

std::string default_model_directory() {
  if (const char* named = std::getenv(kVariable); named != nullptr && *named != '\0') return named;
  std::error_code ignored;
  const fs::path program = fs::canonical("/proc/self/exe", ignored).parent_path();
  std::string looked;
  for (const char* place : kPlaces) {
    const fs::path directory = (program / place).lexically_normal();
    if (is_model(directory)) return directory.string();
    looked += std::string(looked.empty() ? "" : " and ") + directory.string();
  }
  throw Error(ErrorCode::kIo, "there is no default model in " + looked +
                                  ": name one with --model, or in " + kVariable);
}

}  // namespace linnet::tools
