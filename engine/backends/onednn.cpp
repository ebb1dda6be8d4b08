#include "engine/backends/onednn.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "engine/core/parallel.h"
#include "kernels/ops.h"
#include "weights/base/error.h"

namespace linnet::onednn {
namespace {

// Below this many multiply-adds a second thread costs more than it brings; see ops/linear.cpp.
constexpr std::int64_t kGrain = 100'000;

constexpr const char* kFile = "liblinnet_onednn.so";

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::kUnsupported, what); }

// Where the plug-in may be, seen from the file that this code is in: a program or a shared library.
std::string find_plugin() {
  constexpr std::string_view kFromProgram = LINNET_ONEDNN_FROM_PROGRAM;
  if (kFromProgram.empty()) {
    fail(
        "this build has no oneDNN backend: install libdnnl-dev and build again, or name a plug-in "
        "in LINNET_ONEDNN_PLUGIN");
  }
  // The name that a program was started by says nothing about where it is; the kernel knows.
  Dl_info ignored_info{};
  link_map* self = nullptr;
  const bool known = dladdr1(reinterpret_cast<const void*>(&find_plugin), &ignored_info,
                             reinterpret_cast<void**>(&self), RTLD_DL_LINKMAP) != 0;
  const bool library = known && self->l_name != nullptr && *self->l_name != '\0';
  std::error_code ignored;
  const std::filesystem::path file =
      std::filesystem::canonical(library ? self->l_name : "/proc/self/exe", ignored);
  const std::filesystem::path beside = file.parent_path() / "linnet" / kFile;
  const std::filesystem::path installed = file.parent_path() / kFromProgram / kFile;
  return std::filesystem::exists(beside, ignored) ? beside : installed.lexically_normal();
}

using Api = const LinnetOneDnnApi* (*)();

}  // namespace

Plugin Plugin::open() {
  const char* wanted = std::getenv("LINNET_ONEDNN_PLUGIN");
  const std::string path = wanted != nullptr && *wanted != '\0' ? wanted : find_plugin();
  // Never closed: oneDNN's threads' memory and our layers point into it.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    const char* why = dlerror();
    fail("oneDNN backend: cannot open " + path + ": " + (why != nullptr ? why : "unknown reason"));
  }
  const auto api = reinterpret_cast<Api>(dlsym(library, "linnet_onednn_api"));
  if (api == nullptr) fail("oneDNN backend: " + path + " is not linnet's plug-in");
  const LinnetOneDnnApi* table = api();
  if (table->abi != kLinnetOneDnnAbi) {
    fail("oneDNN backend: " + path + " has ABI " + std::to_string(table->abi) + ", expected " +
         std::to_string(kLinnetOneDnnAbi) + ": it belongs to another version of linnet");
  }
  return {path, table};
}

std::string Plugin::version() const { return std::string(api_->version) + " (" + api_->isa + ")"; }

Layer::Layer(const Plugin& plugin, const LinnetOneDnnLayerArgs& args)
    : api_(&plugin.api()), type_(args.type), n_(args.N), k_(args.K), layer_(nullptr, {api_}) {
  LinnetOneDnnError error{};
  layer_.reset(api_->create(&args, &error));
  if (layer_ == nullptr) fail(std::string("oneDNN backend: ") + error.text);
}

void Layer::run(Threads& threads, const LinnetOneDnnRunArgs& args) const {
  const std::int64_t bytes = type_ == kLinnetOneDnnF32 ? 4 : type_ == kLinnetOneDnnBf16 ? 2 : 1;
  LinnetOneDnnError error{};
  std::atomic<bool> failed = false;  // the first to set it owns the text
  parallel_for(threads, args.M, kGrain / (n_ * k_) + 1,
               [&](std::int64_t begin, std::int64_t end, int) {
                 LinnetOneDnnRunArgs slice = args;
                 slice.M = end - begin;
                 slice.x = static_cast<const std::byte*>(args.x) + begin * args.ldx * bytes;
                 slice.y = args.y + begin * args.ldy;
                 if (args.x_scale != nullptr) slice.x_scale = args.x_scale + begin;
                 if (args.residual != nullptr) {
                   slice.residual = args.residual + begin * args.ld_residual;
                 }
                 LinnetOneDnnError own{};
                 if (api_->run(layer_.get(), &slice, &own) != 0 && !failed.exchange(true)) {
                   error = own;
                 }
               });
  if (failed) fail(std::string("oneDNN backend: ") + error.text);
}

std::string Layer::implementation(std::int64_t M) const {
  LinnetOneDnnError error{};
  const char* name = api_->implementation(layer_.get(), M, &error);
  if (name == nullptr) fail(std::string("oneDNN backend: ") + error.text);
  return name;
}

}  // namespace linnet::onednn
