#include "engine/core/context.h"

#include <algorithm>
#include <cstdlib>

#include "weights/base/error.h"

namespace linnet {

kernels::Isa choose_isa(const std::optional<std::string>& wanted) {
  const auto supported = kernels::supported_isas();
  if (supported.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "cpu: found no AVX2, FMA and F16C, expected x86-64-v3 or better");
  }
  std::string asked = wanted.value_or("");
  if (asked.empty()) {
    const char* environment = std::getenv("LINNET_ISA");
    asked = environment != nullptr ? environment : "";
  }
  if (asked.empty()) return supported.back();

  std::string names;
  const auto runnable = kernels::runnable_isas();
  for (const kernels::Isa isa : runnable) {
    names += (names.empty() ? "" : ", ") + std::string(kernels::name(isa));
  }
  kernels::Isa isa{};
  if (!kernels::parse_isa(asked, isa)) {
    throw Error(ErrorCode::kInvalidArgument,
                "instruction-set level: found \"" + asked + "\", expected one of " + names);
  }
  if (std::find(runnable.begin(), runnable.end(), isa) == runnable.end()) {
    throw Error(ErrorCode::kUnsupported,
                "instruction-set level: this machine cannot run \"" + asked + "\", only " + names);
  }
  return isa;
}

}  // namespace linnet
