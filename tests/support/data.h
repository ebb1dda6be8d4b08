#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace linnet::test {

/// The shared data and goldens: $LINNET_DATA, else ../shared/data beside the source root.
inline std::filesystem::path data_dir() {
  const char* given = std::getenv("LINNET_DATA");
  return given != nullptr ? std::filesystem::path(given)
                          : std::filesystem::path(LINNET_SOURCE_DIR) / "../shared/data";
}

/// The real all-MiniLM-L6-v2: $LINNET_MINILM, else models/all-MiniLM-L6-v2 in the source root,
/// where tools/get_minilm.sh puts it.
inline std::filesystem::path minilm_dir() {
  const char* given = std::getenv("LINNET_MINILM");
  return given != nullptr ? std::filesystem::path(given)
                          : std::filesystem::path(LINNET_SOURCE_DIR) / "models/all-MiniLM-L6-v2";
}

}  // namespace linnet::test

/// Skips the test, with the reason, when `path` does not exist.
#define LINNET_NEEDS(path)                                                               \
  do {                                                                                   \
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "not here: " << (path).string(); \
  } while (false)
