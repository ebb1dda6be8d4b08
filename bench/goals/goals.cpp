#include "bench/goals/goals.h"

namespace linnet::bench {
namespace {

using kernels::Isa;
using Rows = std::array<std::int64_t, 4>;

constexpr double kFloor = 0.95;  // of a cell, where nothing else is said

constexpr Target ratio(double goal, double floor = kFloor) {
  return {Quantity::kRatio, goal, floor};
}
constexpr Target ratio_of_mean(double goal) { return {Quantity::kRatio, goal, 0}; }
constexpr Target peak_share(double goal) { return {Quantity::kPeakShare, goal, 0}; }
constexpr Target memory_share(double goal) { return {Quantity::kMemoryShare, goal, 0}; }
constexpr Target gops(double goal) { return {Quantity::kGops, goal, 0}; }

constexpr Goal cold(Goal g) { return g.cold = true, g; }
constexpr Goal small_pages(Goal g) { return g.pages = PageSize::k4K, g; }
constexpr Goal at(Isa isa, Goal g) { return g.isa = isa, g; }
constexpr Goal with(Shapes shapes, Goal g) { return g.shapes = shapes, g; }
constexpr Goal with(Epilogue epilogue, Goal g) { return g.epilogue = epilogue, g; }
constexpr Goal against(Rival rival, Goal g) { return g.rival = rival, g; }

constexpr Goal int8(const char* group, const char* what, Rows rows, Target a, Target b = {}) {
  return {.group = group, .what = what, .rows = rows, .targets = {a, b}};
}
constexpr Goal f32(const char* group, const char* what, Rows rows, Target a, Target b = {}) {
  Goal g = int8(group, what, rows, a, b);
  g.type = NumberType::kF32;
  return g;
}
constexpr Goal bf16(const char* group, const char* what, Rows rows, Target a) {
  Goal g = int8(group, what, rows, a);
  g.type = NumberType::kBf16;
  return g;
}

constexpr Goal kAvx512VnniGoals[] = {
    int8("int8-hot", "INT8 hot, M >= 128", {128, 512}, ratio(0.97, 0.97), peak_share(0.9)),
    int8("int8-few", "INT8 hot, M = 8", {8}, ratio(1.08)),
    int8("int8-few", "INT8 hot, M = 32", {32}, ratio(1.0)),
    cold(int8("int8-cold", "INT8 cold, M = 8, 2 MB pages", {8}, ratio(1.5))),
    small_pages(cold(int8("int8-cold", "INT8 cold, M = 8, 4 KB pages", {8}, ratio(1.4)))),
    cold(int8("int8-cold", "INT8 cold, M = 32, 2 MB pages", {32}, ratio(1.35))),
    small_pages(cold(int8("int8-cold", "INT8 cold, M = 32, 4 KB pages", {32}, ratio(1.25)))),
    cold(int8("int8-cold", "INT8 cold, M = 128, 2 MB pages", {128}, ratio(1.08))),
    small_pages(cold(int8("int8-cold", "INT8 cold, M = 128, 4 KB pages", {128}, ratio(0.98)))),
    cold(int8("int8-gemv", "INT8 cold, M = 1", {1}, ratio(1.2), memory_share(0.9))),
    with(Shapes::kInL2, int8("int8-gemv", "INT8 in L2, M = 1", {1}, ratio(1.3))),
    with(Epilogue::kRequantize,
         int8("int8-gelu", "INT8, bias, GELU, requantised", {8, 32, 128, 512}, ratio(1.08))),
    f32("f32-hot", "FP32 hot, M = 1", {1}, ratio(1.2)),
    f32("f32-hot", "FP32 hot, M = 8", {8}, ratio(1.05)),
    f32("f32-hot", "FP32 hot, M = 32", {32}, ratio(1.05)),
    f32("f32-hot", "FP32 hot, M >= 128", {128, 512}, ratio(0.98), peak_share(0.92)),
    cold(f32("f32-cold", "FP32 cold, M = 1", {1}, ratio(1.2))),
    cold(f32("f32-cold", "FP32 cold, M = 8", {8}, ratio(1.35))),
    cold(f32("f32-cold", "FP32 cold, M = 32", {32}, ratio(1.35))),
    cold(f32("f32-cold", "FP32 cold, M = 128", {128}, ratio(1.08))),
    with(Shapes::kVocabulary, int8("vocabulary", "INT8, N = 50257, M = 1", {1}, ratio(1.15))),
    with(Shapes::kVocabulary,
         int8("vocabulary", "INT8, N = 50257, M = 8, 32", {8, 32}, ratio(1.3))),
    with(Shapes::kVocabulary, int8("vocabulary", "INT8, N = 50257, M = 128", {128}, ratio(1.05))),
    with(Shapes::kVocabulary, f32("vocabulary", "FP32, N = 50257, M = 1", {1}, ratio(1.15))),
    with(Shapes::kVocabulary, f32("vocabulary", "FP32, N = 50257, M = 8, 32", {8, 32}, ratio(1.3))),
    with(Shapes::kVocabulary, f32("vocabulary", "FP32, N = 50257, M = 128", {128}, ratio(1.05))),
    at(Isa::kAvxVnni, int8("avx-vnni", "AVX-VNNI INT8 hot, M = 1", {1}, ratio(4.0))),
    at(Isa::kAvxVnni, int8("avx-vnni", "AVX-VNNI INT8 hot, M = 8, 32", {8, 32}, ratio(0.9, 0.9))),
    at(Isa::kAvxVnni,
       int8("avx-vnni", "AVX-VNNI INT8 hot, M >= 128", {128, 512}, ratio(0.97), peak_share(0.85))),
    at(Isa::kAvx2, int8("avx2", "AVX2 INT8 exact, hot, M = 1", {1}, ratio_of_mean(3.0))),
    at(Isa::kAvx2, int8("avx2", "AVX2 INT8 exact, hot, M >= 8", {8, 32, 128}, gops(200))),
    bf16("bf16-hot", "BF16 hot, M >= 32", {32, 128, 512}, gops(520)),
    cold(bf16("bf16-cold", "BF16 cold, M = 8", {8}, ratio(1.35))),
    cold(bf16("bf16-cold", "BF16 cold, M = 32", {32}, ratio(1.3))),
    against(Rival::kOneThread, int8("threads", "INT8 hot, M >= 32, 2 threads to 1", {32, 128, 512},
                                    ratio_of_mean(1.95))),
    against(Rival::kOneThread, f32("threads", "FP32 hot, M >= 32, 2 threads to 1", {32, 128, 512},
                                   ratio_of_mean(1.95))),
    against(Rival::kOneThread, bf16("threads", "BF16 hot, M >= 32, 2 threads to 1", {32, 128, 512},
                                    ratio_of_mean(1.95))),
};

constexpr Goal kAmxGoals[] = {
    int8("int8-hot", "INT8 hot, M >= 128", {128, 512}, ratio(1.4)),
    with(Shapes::kSquare, int8("int8-hot", "INT8 hot, 768x768", {128, 512}, gops(3200))),
    int8("int8-few", "INT8 hot, M = 8", {8}, ratio(1.3)),
    int8("int8-few", "INT8 hot, M = 32", {32}, ratio(1.3)),
    cold(int8("int8-cold", "INT8 cold, M = 8, 2 MB pages", {8}, ratio(1.4))),
    small_pages(cold(int8("int8-cold", "INT8 cold, M = 8, 4 KB pages", {8}, ratio(1.3)))),
    cold(int8("int8-cold", "INT8 cold, M = 32, 2 MB pages", {32}, ratio(1.4))),
    small_pages(cold(int8("int8-cold", "INT8 cold, M = 32, 4 KB pages", {32}, ratio(1.3)))),
    cold(int8("int8-cold", "INT8 cold, M = 128, 2 MB pages", {128}, ratio(1.4))),
    small_pages(cold(int8("int8-cold", "INT8 cold, M = 128, 4 KB pages", {128}, ratio(1.3)))),
    cold(int8("int8-gemv", "INT8 cold, M = 1", {1}, ratio(1.4))),
    with(Shapes::kInL2, int8("int8-gemv", "INT8 in L2, M = 1", {1}, ratio(1.4))),
    with(Epilogue::kRequantize,
         int8("int8-gelu", "INT8, bias, GELU, requantised", {8, 32, 128, 512}, ratio(2.5))),
    f32("f32-hot", "FP32 hot, M = 1", {1}, ratio(1.0, 1.0)),
    f32("f32-hot", "FP32 hot, M = 8", {8}, ratio(1.0, 1.0)),
    f32("f32-hot", "FP32 hot, M = 32", {32}, ratio(1.0, 1.0)),
    f32("f32-hot", "FP32 hot, M >= 128", {128, 512}, ratio(1.0, 1.0)),
    cold(f32("f32-cold", "FP32 cold, M = 1", {1}, ratio(1.0, 1.0))),
    cold(f32("f32-cold", "FP32 cold, M = 8", {8}, ratio(1.0, 1.0))),
    cold(f32("f32-cold", "FP32 cold, M = 32", {32}, ratio(1.0, 1.0))),
    cold(f32("f32-cold", "FP32 cold, M = 128", {128}, ratio(1.0, 1.0))),
    with(Shapes::kVocabulary, int8("vocabulary", "INT8, N = 50257, M = 1", {1}, ratio(1.2))),
    with(Shapes::kVocabulary,
         int8("vocabulary", "INT8, N = 50257, M = 8, 32", {8, 32}, ratio(1.3))),
    with(Shapes::kVocabulary, int8("vocabulary", "INT8, N = 50257, M = 128", {128}, ratio(1.5))),
    with(Shapes::kVocabulary, f32("vocabulary", "FP32, N = 50257, M = 1", {1}, ratio(1.2))),
    with(Shapes::kVocabulary, f32("vocabulary", "FP32, N = 50257, M = 8, 32", {8, 32}, ratio(1.3))),
    with(Shapes::kVocabulary, f32("vocabulary", "FP32, N = 50257, M = 128", {128}, ratio(1.5))),
    at(Isa::kAvxVnni, int8("avx-vnni", "AVX-VNNI INT8 hot, M = 1", {1}, ratio(3.0))),
    at(Isa::kAvxVnni, int8("avx-vnni", "AVX-VNNI INT8 hot, M >= 8", {8, 32, 128, 512}, ratio(1.2))),
    at(Isa::kAvx2, against(Rival::kOurF32, int8("avx2", "AVX2 INT8 to AVX2 FP32, M >= 8",
                                                {8, 32, 128}, ratio_of_mean(1.2)))),
    bf16("bf16-hot", "BF16 hot, M >= 32", {32, 128, 512}, ratio(1.3)),
    against(Rival::kOneThread, int8("threads", "INT8 hot, M >= 32, 2 threads to 1", {32, 128, 512},
                                    ratio_of_mean(1.95))),
    against(Rival::kOneThread, f32("threads", "FP32 hot, M >= 32, 2 threads to 1", {32, 128, 512},
                                   ratio_of_mean(1.95))),
    against(Rival::kOneThread, bf16("threads", "BF16 hot, M >= 32, 2 threads to 1", {32, 128, 512},
                                    ratio_of_mean(1.95))),
};

}  // namespace

std::span<const Goal> goals(Machine machine) {
  if (machine == Machine::kAmx) return kAmxGoals;
  return kAvx512VnniGoals;
}

}  // namespace linnet::bench
