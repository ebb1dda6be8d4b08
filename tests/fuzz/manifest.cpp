// linnet.json: refused with an Error, or read, written and read again without a difference.
#include "weights/manifest.h"

#include <cstdlib>

#include "weights/base/error.h"

namespace {

using linnet::weights::Manifest;

Manifest read(std::string_view text) {
  return linnet::weights::read_manifest(
      linnet::json::parse(text, "linnet.json", linnet::json::kConfigBytes).root());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string first;
  try {
    first = manifest_text(read({reinterpret_cast<const char*>(data), size}));
  } catch (const linnet::Error&) {
    return 0;
  }
  // What was read is written in a form that is read: an error here is one of ours.
  if (manifest_text(read(first)) != first) std::abort();
  return 0;
}
