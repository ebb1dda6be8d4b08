// The functions of plugin_abi.h: exceptions end here.
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "engine/backends/onednn/dnnl_layer.h"
#include "engine/backends/onednn_abi.h"

struct LinnetOneDnnLayer {
  explicit LinnetOneDnnLayer(const LinnetOneDnnLayerArgs& args) : layer(args) {}
  linnet::onednn::DnnlLayer layer;
};

namespace {

// f(), or `failed` and the text of what it threw.
template <class F, class R>
R guarded(LinnetOneDnnError* error, R failed, F&& f) noexcept {
  const char* what = "unknown error";
  try {
    return f();
  } catch (const std::exception& e) {
    std::snprintf(error->text, sizeof(error->text), "%s", e.what());
    return failed;
  } catch (...) {
    std::snprintf(error->text, sizeof(error->text), "%s", what);
    return failed;
  }
}

LinnetOneDnnLayer* create(const LinnetOneDnnLayerArgs* args, LinnetOneDnnError* error) noexcept {
  return guarded(error, static_cast<LinnetOneDnnLayer*>(nullptr),
                 [&] { return std::make_unique<LinnetOneDnnLayer>(*args).release(); });
}

int run(const LinnetOneDnnLayer* layer, const LinnetOneDnnRunArgs* args,
        LinnetOneDnnError* error) noexcept {
  return guarded(error, 1, [&] {
    layer->layer.run(*args);
    return 0;
  });
}

void destroy(LinnetOneDnnLayer* layer) noexcept {
  const std::unique_ptr<LinnetOneDnnLayer> own(layer);
}

const char* implementation(const LinnetOneDnnLayer* layer, std::int64_t M,
                           LinnetOneDnnError* error) noexcept {
  return guarded(error, static_cast<const char*>(nullptr),
                 [&] { return layer->layer.implementation(M); });
}

std::string version() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

const char* isa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    default:
      return "another";
  }
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const LinnetOneDnnApi* linnet_onednn_api() {
  static const std::string kVersion = version();
  static const LinnetOneDnnApi kApi = {kLinnetOneDnnAbi, kVersion.c_str(), isa(), create, run,
                                       destroy,          implementation};
  return &kApi;
}
