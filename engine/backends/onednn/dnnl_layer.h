#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <map>
#include <shared_mutex>
#include <string>
#include <vector>

#include "engine/backends/onednn_abi.h"

namespace linnet::onednn {

/// One layer in oneDNN: its weights packed once, and the products made for them. Any threads may
/// run it at the same time. Everything here may throw std::exception; plugin.cpp catches.
class DnnlLayer {
 public:
  explicit DnnlLayer(const LinnetOneDnnLayerArgs& args);

  void run(const LinnetOneDnnRunArgs& args) const;
  const char* implementation(std::int64_t M) const;

 private:
  /// Where a residual comes from.
  enum class Residual { kNone, kMatrix, kResult };
  /// What a product is made for.
  struct Key {
    std::int64_t rows;
    std::int32_t activation;
    Residual residual;
    auto operator<=>(const Key&) const = default;
  };
  struct Product {
    dnnl::matmul primitive;
    dnnl::memory::desc x, weights, bias, y, scratchpad;  // a residual is like y
    int residual_place = 0;                              // among the operations that follow
    std::string implementation;
  };

  void pack(const void* weights);
  Product make(const Key& key, const dnnl::memory::desc& weights) const;
  const Product& product(const Key& key) const;
  std::size_t x_row() const;  // bytes
  const void* dense_rows(const LinnetOneDnnRunArgs& args, std::int64_t first, std::int64_t rows,
                         void* dense) const;
  void run_rows(const LinnetOneDnnRunArgs& args, std::int64_t first, std::int64_t rows) const;
  void run_rows_s8(const LinnetOneDnnRunArgs& args, std::int64_t first, std::int64_t rows) const;
  void execute(const Product& p, const void* x, const float* residual, void* y,
               void* scratchpad) const;

  LinnetOneDnnType type_;
  std::int64_t n_, k_;
  std::vector<float> scale_, bias_;  // bias of S8: zeros if there is none
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::memory weights_;
  mutable std::shared_mutex mutex_;
  mutable std::map<Key, Product> products_;  // only grows: see kStep
};

}  // namespace linnet::onednn
