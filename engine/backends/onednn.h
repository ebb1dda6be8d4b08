#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/backends/onednn_abi.h"
#include "engine/core/context.h"
#include "engine/core/mat.h"

namespace linnet::onednn {

/// The plug-in liblinnet_onednn.so, opened. It stays in the process once it was opened.
class Plugin {
 public:
  /// Opens the file that the environment's LINNET_ONEDNN_PLUGIN names, else the one that belongs to
  /// this build: in linnet/ beside this library or in ../lib/linnet/ from the program. Throws
  /// kUnsupported: built without oneDNN, a file that cannot be opened (which and why), another ABI.
  static Plugin open();

  const std::string& path() const { return path_; }
  /// "2.6.3 (avx512_core_bf16)": oneDNN's version and what it takes this CPU for.
  std::string version() const;
  const LinnetOneDnnApi& api() const { return *api_; }

 private:
  Plugin(std::string path, const LinnetOneDnnApi* api) : path_(std::move(path)), api_(api) {}
  std::string path_;
  const LinnetOneDnnApi* api_;
};

/// A dense layer whose weights oneDNN holds. Immutable; any threads may run it at the same time.
class Layer {
 public:
  /// Copies and packs what `args` points to. Throws kUnsupported with oneDNN's reason.
  Layer(const Plugin& plugin, const LinnetOneDnnLayerArgs& args);

  /// One product: rows are split among `threads`, each calling oneDNN for its own. Throws
  /// kUnsupported with oneDNN's reason.
  void run(Threads& threads, const LinnetOneDnnRunArgs& args) const;

  std::int64_t N() const { return n_; }
  std::int64_t K() const { return k_; }
  /// oneDNN's name of what computes M rows.
  std::string implementation(std::int64_t M) const;

 private:
  struct Destroy {
    const LinnetOneDnnApi* api;
    void operator()(LinnetOneDnnLayer* layer) const { api->destroy(layer); }
  };
  const LinnetOneDnnApi* api_;
  LinnetOneDnnType type_;
  std::int64_t n_, k_;
  std::unique_ptr<LinnetOneDnnLayer, Destroy> layer_;
};

}  // namespace linnet::onednn
