// oneDNN's matmul with packed weights. Of its two operations for a dense layer this one keeps the
// same layout of the weights for every number of rows and has a fast implementation for each, as
// long as x and y have no gaps between rows.
#include "engine/backends/onednn/dnnl_layer.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "engine/backends/onednn/dnnl_shim.h"
#include "engine/backends/onednn/finish_s8.h"
#include "engine/backends/onednn/scratch.h"
#include "kernels/ops.h"

namespace linnet::onednn {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

// A product is compiled for its number of rows, which takes up to some milliseconds, and lengths of
// text vary. So M rows are cut: blocks of kBlock, then a multiple of kStep, then fewer than kStep:
// 71 numbers of rows at most, and mostly two products a call.
constexpr std::int64_t kStep = 64, kBlock = 512;
// The sums of an S8 block are finished while they are in the second-level cache.
constexpr std::int64_t kBlockS8 = 128;
// The number of rows whose favourite layout of the weights is taken for all.
constexpr std::int64_t kLayoutRows = 64;

Type type_of(LinnetOneDnnType type) {
  switch (type) {
    case kLinnetOneDnnF32:
      return Type::f32;
    case kLinnetOneDnnBf16:
      return Type::bf16;
    case kLinnetOneDnnS8:
      return Type::s8;
  }
  throw std::invalid_argument("the type of a layer is none of the known ones");
}

std::size_t bytes_of(LinnetOneDnnType type) {
  return type == kLinnetOneDnnF32 ? 4 : type == kLinnetOneDnnBf16 ? 2 : 1;
}

const char* name(LinnetOneDnnType type) {
  return type == kLinnetOneDnnF32 ? "FP32" : type == kLinnetOneDnnBf16 ? "BF16" : "INT8";
}

// Without VNNI oneDNN adds pairs of 8-bit products in 16 bits, where they saturate.
bool has_vnni() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
    case dnnl::cpu_isa::avx:
    case dnnl::cpu_isa::avx2:
    case dnnl::cpu_isa::avx512_core:
      return false;
    default:
      return true;
  }
}

void append_activation(dnnl::post_ops& ops, std::int32_t activation) {
  using dnnl::algorithm;
  using kernels::Activation;
  switch (static_cast<Activation>(activation)) {
    case Activation::kNone:
      return;
    case Activation::kGelu:
    case Activation::kGeluQ:
      return append_eltwise(ops, algorithm::eltwise_gelu_erf, 0, 0);
    case Activation::kGeluTanh:
      return append_eltwise(ops, algorithm::eltwise_gelu_tanh, 0, 0);
    case Activation::kGelu10:
      append_eltwise(ops, algorithm::eltwise_gelu_erf, 0, 0);
      return append_eltwise(ops, algorithm::eltwise_clip, -10, 10);
    case Activation::kQuickGelu:
      return append_eltwise(ops, algorithm::eltwise_swish, 1.702f, 0);
    case Activation::kRelu:
      return append_eltwise(ops, algorithm::eltwise_relu, 0, 0);
    case Activation::kSilu:
      return append_eltwise(ops, algorithm::eltwise_swish, 1, 0);
    case Activation::kTanh:
      return append_eltwise(ops, algorithm::eltwise_tanh, 0, 0);
    case Activation::kSigmoid:
      return append_eltwise(ops, algorithm::eltwise_logistic, 0, 0);
  }
  throw std::invalid_argument("the activation is none of the known ones");
}

// Rows of `bytes` bytes each, `from` and `to` being so many bytes apart.
void copy_rows(void* to, std::size_t to_step, const void* from, std::size_t from_step,
               std::size_t bytes, std::int64_t rows) {
  for (std::int64_t m = 0; m < rows; ++m) {
    std::memcpy(static_cast<std::byte*>(to) + static_cast<std::size_t>(m) * to_step,
                static_cast<const std::byte*>(from) + static_cast<std::size_t>(m) * from_step,
                bytes);
  }
}

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

}  // namespace

DnnlLayer::DnnlLayer(const LinnetOneDnnLayerArgs& args) : type_(args.type), n_(args.N), k_(args.K) {
  if (n_ < 1 || k_ < 1) throw std::invalid_argument("a layer has no rows or no columns");
  if (type_ == kLinnetOneDnnS8 && !has_vnni()) {
    throw std::runtime_error("INT8 products of oneDNN saturate on a CPU without VNNI");
  }
  const OneThread one_thread;
  if (args.bias != nullptr) bias_.assign(args.bias, args.bias + n_);
  if (type_ == kLinnetOneDnnS8) {
    bias_.resize(size(n_));
    scale_.assign(args.weight_scale, args.weight_scale + n_);
  }
  pack(args.weights);
}

void DnnlLayer::pack(const void* weights) {
  // matmul wants [K, N]; ours is [N, K], which is the same by columns.
  const memory::desc any({k_, n_}, type_of(type_), Tag::any);
  const memory::desc plain({k_, n_}, type_ == kLinnetOneDnnS8 ? Type::s8 : Type::f32, Tag::ba);
  const Key key{kLayoutRows, static_cast<std::int32_t>(kernels::Activation::kNone),
                Residual::kNone};
  Product p = make(key, any);
  weights_ = memory(p.weights, engine_);
  memory from(plain, engine_, const_cast<void*>(weights));
  dnnl::stream stream(engine_);
  dnnl::reorder(from, weights_).execute(stream, from, weights_);
  stream.wait();
  products_.emplace(key, std::move(p));
}

DnnlLayer::Product DnnlLayer::make(const Key& key, const memory::desc& weights) const {
  const bool sums = type_ == kLinnetOneDnnS8;
  Product p;
  p.x = memory::desc({key.rows, k_}, type_of(type_), Tag::ab);
  p.y = memory::desc({key.rows, n_}, sums ? Type::s32 : Type::f32, Tag::ab);
  if (!sums && !bias_.empty()) p.bias = memory::desc({1, n_}, Type::f32, Tag::ab);
  dnnl::post_ops ops;
  append_activation(ops, key.activation);
  p.residual_place = ops.len();
  // Partial sums over K are kept in y: oneDNN must know when y is also the residual.
  if (key.residual == Residual::kMatrix) ops.append_binary(dnnl::algorithm::binary_add, p.y);
  if (key.residual == Residual::kResult) ops.append_sum(1.0f);
  dnnl::primitive_attr attr;
  attr.set_post_ops(ops);
  // The library's own scratchpad is shared by all products that a thread made.
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  try {
    const auto described = describe_matmul(engine_, p.x, weights, p.bias, p.y, attr);
    p.weights = described.weights_desc();
    p.scratchpad = described.scratchpad_desc();
    p.implementation = described.impl_info_str();
    p.primitive = dnnl::matmul(described);
  } catch (const dnnl::error& e) {
    throw std::runtime_error(std::string("oneDNN refuses a product of ") + name(type_) + ", " +
                             std::to_string(key.rows) + " x " + std::to_string(k_) + " by " +
                             std::to_string(k_) + " x " + std::to_string(n_) + ": " + e.what());
  }
  return p;
}

const DnnlLayer::Product& DnnlLayer::product(const Key& key) const {
  {
    const std::shared_lock lock(mutex_);
    if (const auto found = products_.find(key); found != products_.end()) return found->second;
  }
  // Two threads may both make it; the first one's stays.
  Product made = make(key, weights_.get_desc());
  const std::unique_lock lock(mutex_);
  return products_.try_emplace(key, std::move(made)).first->second;
}

const char* DnnlLayer::implementation(std::int64_t M) const {
  const OneThread one_thread;
  return product({M, static_cast<std::int32_t>(kernels::Activation::kNone), Residual::kNone})
      .implementation.c_str();
}

void DnnlLayer::execute(const Product& p, const void* x, const float* residual, void* y,
                        void* scratchpad) const {
  const auto at = [&](const memory::desc& d, const void* data) {
    return memory(d, engine_, const_cast<void*>(data));
  };
  std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, at(p.x, x)},
                                               {DNNL_ARG_WEIGHTS, weights_},
                                               {DNNL_ARG_DST, at(p.y, y)},
                                               {DNNL_ARG_SCRATCHPAD, at(p.scratchpad, scratchpad)}};
  if (p.bias.get_size() != 0) arguments.emplace(DNNL_ARG_BIAS, at(p.bias, bias_.data()));
  if (residual != nullptr) {
    arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(p.residual_place) | DNNL_ARG_SRC_1,
                      at(p.y, residual));
  }
  dnnl::stream stream(engine_);
  p.primitive.execute(stream, arguments);
  stream.wait();
}

std::size_t DnnlLayer::x_row() const { return bytes_of(type_) * size(k_); }

// Some rows of x without gaps: copied to `dense` if that is not null.
const void* DnnlLayer::dense_rows(const LinnetOneDnnRunArgs& args, std::int64_t first,
                                  std::int64_t rows, void* dense) const {
  const std::size_t step = bytes_of(type_) * size(args.ldx);
  const std::byte* x = static_cast<const std::byte*>(args.x) + size(first) * step;
  if (dense == nullptr) return x;
  copy_rows(dense, x_row(), x, step, x_row(), rows);
  return dense;
}

// Rows with gaps go through scratch memory: oneDNN's fast implementations want none.
void DnnlLayer::run_rows(const LinnetOneDnnRunArgs& args, std::int64_t first,
                         std::int64_t rows) const {
  if (type_ == kLinnetOneDnnS8) return run_rows_s8(args, first, rows);
  const bool gap_x = args.ldx != k_, gap_y = args.ldy != n_;
  const bool gap_residual = args.residual != nullptr && args.ld_residual != n_;
  const bool in_place = args.residual == args.y && !gap_y;
  const Product& p = product({rows, args.activation,
                              args.residual == nullptr ? Residual::kNone
                              : in_place               ? Residual::kResult
                                                       : Residual::kMatrix});
  const std::size_t x_all = x_row() * size(rows), y_row = sizeof(float) * size(n_),
                    y_all = y_row * size(rows);

  Scratch scratch(p.scratchpad.get_size() + (gap_x ? x_all : 0) + (gap_y ? y_all : 0) +
                  (gap_residual ? y_all : 0));
  void* const own = scratch.take(p.scratchpad.get_size());
  const void* const x = dense_rows(args, first, rows, gap_x ? scratch.take(x_all) : nullptr);
  const float* residual = args.residual;
  if (residual != nullptr) residual += first * args.ld_residual;
  if (gap_residual) {
    void* const dense = scratch.take(y_all);
    copy_rows(dense, y_row, residual, sizeof(float) * size(args.ld_residual), y_row, rows);
    residual = static_cast<const float*>(dense);
  }
  float* const y = args.y + first * args.ldy;
  void* const result = gap_y ? scratch.take(y_all) : y;
  execute(p, x, in_place ? nullptr : residual, result, own);
  if (gap_y) copy_rows(y, sizeof(float) * size(args.ldy), result, y_row, y_row, rows);
}

void DnnlLayer::run_rows_s8(const LinnetOneDnnRunArgs& args, std::int64_t first,
                            std::int64_t rows) const {
  const Product& p =
      product({rows, static_cast<std::int32_t>(kernels::Activation::kNone), Residual::kNone});
  const bool gap_x = args.ldx != k_;
  const std::size_t x_all = x_row() * size(rows), y_row = sizeof(float) * size(n_),
                    sums_all = sizeof(std::int32_t) * size(n_) * size(rows);
  Scratch scratch(p.scratchpad.get_size() + (gap_x ? x_all : 0) + sums_all + y_row);
  void* const own = scratch.take(p.scratchpad.get_size());
  const void* const x = dense_rows(args, first, rows, gap_x ? scratch.take(x_all) : nullptr);
  void* const sums = scratch.take(sums_all);
  execute(p, x, nullptr, sums, own);
  const float* residual = args.residual;
  if (residual != nullptr) residual += first * args.ld_residual;
  finish_s8({.y = args.y + first * args.ldy,
             .ldy = args.ldy,
             .x_scale = args.x_scale + first,
             .w_scale = scale_.data(),
             .bias = bias_.data(),
             .residual = residual,
             .ld_residual = args.ld_residual,
             .activation = args.activation,
             .activate = args.activate,
             .kernels = args.kernels,
             .row = static_cast<float*>(scratch.take(y_row))},
            static_cast<const std::int32_t*>(sums), rows, n_);
}

void DnnlLayer::run(const LinnetOneDnnRunArgs& args) const {
  const OneThread one_thread;
  const std::int64_t block = type_ == kLinnetOneDnnS8 ? kBlockS8 : kBlock;
  for (std::int64_t m = 0; m < args.M;) {
    const std::int64_t left = args.M - m;
    const std::int64_t rows = left < kStep ? left : std::min(left / kStep * kStep, block);
    run_rows(args, m, rows);
    m += rows;
  }
}

}  // namespace linnet::onednn
