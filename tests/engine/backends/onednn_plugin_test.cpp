// Opening the plug-in: what it says of itself, what the errors say, and that it starts no threads.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/engine/backends/onednn.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace linnet::onednn {
namespace {

/// Sets LINNET_ONEDNN_PLUGIN for a test, and gives the old value back.
class PluginVariable {
 public:
  explicit PluginVariable(const char* value) {
    if (const char* old = std::getenv(kName)) before_ = old;
    value != nullptr ? setenv(kName, value, 1) : unsetenv(kName);
  }
  ~PluginVariable() { before_ ? setenv(kName, before_->c_str(), 1) : unsetenv(kName); }
  PluginVariable(const PluginVariable&) = delete;
  PluginVariable& operator=(const PluginVariable&) = delete;

 private:
  static constexpr const char* kName = "LINNET_ONEDNN_PLUGIN";
  std::optional<std::string> before_;
};

std::string error_of_open() {
  std::string why;
  EXPECT_FALSE(test::open_plugin(&why));
  return why;
}

int threads_of_this_process() {
  int n = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ++n;
  }
  return n;
}

TEST(Plugin, NamesTheFileThatCannotBeOpenedAndWhy) {
  const PluginVariable variable("/nowhere/liblinnet_onednn.so");
  EXPECT_EQ(error_of_open(),
            "oneDNN backend: cannot open /nowhere/liblinnet_onednn.so: "
            "/nowhere/liblinnet_onednn.so: cannot open shared object file: No such file or "
            "directory");
}

TEST(Plugin, RefusesAFileThatIsNoLibrary) {
  const test::TempDir dir;
  dir.write("plugin.so", "text");
  const std::string path = dir.path("plugin.so");
  const PluginVariable variable(path.c_str());
  EXPECT_NE(error_of_open().find("cannot open " + path + ": "), std::string::npos);
}

TEST(Plugin, RefusesAnotherLibrary) {
  const PluginVariable variable("libm.so.6");
  EXPECT_EQ(error_of_open(), "oneDNN backend: libm.so.6 is not linnet's plug-in");
}

// Test programs stand elsewhere than programs do: there is nothing beside them.
TEST(Plugin, SaysWhereItLookedOrThatThisBuildHasNone) {
  const PluginVariable variable(nullptr);
  const std::string why = error_of_open();
  EXPECT_TRUE(why.starts_with("this build has no oneDNN backend: ") ||
              why.starts_with("oneDNN backend: cannot open /"))
      << why;
}

TEST(Plugin, SaysItsVersion) {
  LINNET_NEEDS_ONEDNN(plugin);
  const std::string version = plugin.version();
  EXPECT_TRUE(version.starts_with("2.") || version.starts_with("3.")) << version;
  EXPECT_EQ(version.back(), ')');
}

TEST(Plugin, RefusesALayerWithoutColumns) {
  LINNET_NEEDS_ONEDNN(plugin);
  LinnetOneDnnLayerArgs args{};
  args.N = 3;
  EXPECT_EQ(test::error_of(ErrorCode::kUnsupported, [&] { Layer(plugin, args); }),
            "oneDNN backend: a layer has no rows or no columns");
}

TEST(Plugin, ErrorsOfAnyThreadArriveInTheCaller) {
  LINNET_NEEDS_ONEDNN(plugin);
  const std::vector<float> w(512 * 512), x(512 * 512);
  std::vector<float> y(512 * 512);
  LinnetOneDnnLayerArgs layer{};
  layer.N = layer.K = 512;
  layer.weights = w.data();
  LinnetOneDnnRunArgs args{};
  args.M = args.ldx = args.ldy = 512;
  args.x = x.data(), args.y = y.data();
  args.activation = 99;
  Threads threads(4);
  EXPECT_EQ(
      test::error_of(ErrorCode::kUnsupported, [&] { Layer(plugin, layer).run(threads, args); }),
      "oneDNN backend: the activation is none of the known ones");
}

TEST(Plugin, StartsNoThreadsOfItsOwn) {
  LINNET_NEEDS_ONEDNN(plugin);
  if (std::string(threads_provider()) != "pool") GTEST_SKIP() << "built for OpenMP's threads";
  const std::int64_t n = 768;
  const std::vector<float> w(static_cast<std::size_t>(n * n)), x = w;
  std::vector<float> y = w;
  LinnetOneDnnLayerArgs layer{};
  layer.N = layer.K = n;
  layer.weights = w.data();
  LinnetOneDnnRunArgs args{};
  args.M = args.ldx = args.ldy = n;
  args.x = x.data(), args.y = y.data();
  Threads threads(3);
  const int before = threads_of_this_process();
  Layer(plugin, layer).run(threads, args);
  EXPECT_EQ(threads_of_this_process(), before + 2);  // of Threads
}

}  // namespace
}  // namespace linnet::onednn
