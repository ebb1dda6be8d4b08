#include "tools/bench/gemm_case.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "tools/bench/gemm_operands.h"
#include "tools/bench/machine.h"

namespace linnet::bench {

const char* name(NumberType type) {
  return type == NumberType::kF32 ? "f32" : type == NumberType::kS8 ? "s8" : "bf16";
}

std::unique_ptr<GemmCase> make_gemm_case(const GemmProblem& problem) {
  switch (problem.type) {
    case NumberType::kF32:
      return make_gemm_case_f32(problem);
    case NumberType::kS8:
      return make_gemm_case_s8(problem);
    case NumberType::kBf16:
      return make_gemm_case_bf16(problem);
  }
  return nullptr;
}

kernels::SlotInfo provider(NumberType type, kernels::Isa isa) {
  const std::string slot = std::string("gemm_") + name(type);
  for (const kernels::SlotInfo& info : kernels::slots(kernels::make_table(isa))) {
    if (info.name == slot) return info;
  }
  return {.name = "", .provider = isa};
}

double peak_gops(NumberType type, kernels::Isa isa) {
  const kernels::SlotInfo info = provider(type, isa);
  if (type == NumberType::kS8) return peak_gops_s8(info.provider);
  if (info.addition != nullptr && std::string_view(info.addition) == "avx512_bf16") {
    return peak_gflops_bf16();
  }
  return peak_gflops(info.provider);
}

std::int64_t cold_copies(NumberType type, std::int64_t N, std::int64_t K) {
  const std::int64_t size = type == NumberType::kF32 ? 4 : type == NumberType::kBf16 ? 2 : 1;
  return (std::int64_t{256} << 20) / std::max<std::int64_t>(N * K * size, 1) + 1;
}

}  // namespace linnet::bench
