// Dimension key: T tokens, K inputs of the layer that reads the operand.
#include <algorithm>

#include "engine/core/assert.h"
#include "engine/ops/linear.h"

namespace linnet {
namespace {

// Elements from which a thread brings more than it costs: 1 to 2 µs of quantising.
constexpr std::int64_t kGrain = 20'000;

float* row_scratch(const Context& ctx, const Operand& to, int thread) {
  return reinterpret_cast<float*>(ctx.scratch.data) + thread * to.ld;
}

void round(const Context& ctx, const Operand& to) {
  const std::int64_t K = to.x.cols;
  parallel_for(ctx.threads, to.x.rows, kGrain / K + 1,
               [&](std::int64_t begin, std::int64_t end, int) {
                 ctx.kernels.round_rows_bf16(to.rounded(begin), to.ld, to.x.row(begin), to.x.ld,
                                             end - begin, K);
               });
}

void quantise(const Context& ctx, const Operand& to, kernels::Activation activation,
              const kernels::RowTransform& transform) {
  const std::int64_t K = to.x.cols;
  parallel_for(ctx.threads, to.x.rows, kGrain / K + 1,
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 ctx.kernels.quantize_rows_s8({.q = to.quantised(begin),
                                               .ldq = to.ld,
                                               .scale = to.scale + begin,
                                               .x = to.x.row(begin),
                                               .ldx = to.x.ld,
                                               .M = end - begin,
                                               .K = K,
                                               .shift = to.shift,
                                               .activation = activation,
                                               .transform = transform,
                                               .scratch = row_scratch(ctx, to, thread)});
               });
}

}  // namespace

Operand Operand::slice_rows(std::int64_t begin, std::int64_t end) const {
  Operand slice = *this;
  slice.x = x.slice_rows(begin, end);
  if (scale != nullptr) {
    slice.rows += begin * ld;
    slice.scale += begin;
  } else if (rows != nullptr) {
    slice.rows += begin * ld * 2;
  }
  return slice;
}

Operand place_operand(const Context& ctx, const Scratch& memory, Mat<const float> x,
                      const Linear& consumer) {
  const int threads = ctx.threads.count();
  LINNET_ASSERT(x.cols == consumer.K);
  LINNET_ASSERT(memory.bytes >= linear_scratch_bytes(consumer.kind, threads, x.rows, x.cols));
  Operand to;
  to.x = x;
  to.kind = consumer.kind;
  switch (consumer.kind) {
    case LinearKind::kFloat32:
    case LinearKind::kOneDnnFloat32:
      break;
    case LinearKind::kBfloat16:
    case LinearKind::kOneDnnBfloat16:
      to.rows = memory.data;
      to.ld = kernels::padded_k_bf16(x.cols);
      break;
    case LinearKind::kInt8:
    case LinearKind::kInt4:
    case LinearKind::kOneDnnInt8:
      to.ld = kernels::padded_k(x.cols);
      to.shift = consumer.kind == LinearKind::kInt8 ? ctx.kernels.gemm_s8.shift : std::uint8_t{0};
      to.rows = memory.data + threads * to.ld * 4;
      to.scale = reinterpret_cast<float*>(to.rows + x.rows * to.ld);
      break;
  }
  return to;
}

Operand prepare(const Context& ctx, Mat<const float> x, const Linear& consumer,
                kernels::Activation activation) {
  const Operand to = place_operand(ctx, ctx.scratch, x, consumer);
  switch (consumer.kind) {
    case LinearKind::kFloat32:
    case LinearKind::kOneDnnFloat32:
      break;
    case LinearKind::kBfloat16:
    case LinearKind::kOneDnnBfloat16:
      round(ctx, to);
      break;
    case LinearKind::kInt8:
    case LinearKind::kInt4:
    case LinearKind::kOneDnnInt8:
      quantise(ctx, to, activation, consumer.transform);
      break;
  }
  return to;
}

}  // namespace linnet
