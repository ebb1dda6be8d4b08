#pragma once

#include <cstdint>

// The border between linnet and its oneDNN plug-in, in C: a table of functions, plain structs,
// errors as text. Neither side throws across it, and either may be built by another compiler. Sizes
// are in elements, matrices row-major:   M rows (tokens)   N outputs   K inputs
extern "C" {

/// Raised whenever a struct or a function below changes; both sides must have the same.
enum { kLinnetOneDnnAbi = 2 };

enum LinnetOneDnnType {
  kLinnetOneDnnF32 = 0,
  kLinnetOneDnnBf16 = 1,  ///< products of BF16, sums in FP32
  kLinnetOneDnnS8 = 2,    ///< exact sums; finished as kernels/ops.h says for GemmS8
};

/// One layer to make. Everything is copied: nothing here is needed afterwards.
struct LinnetOneDnnLayerArgs {
  enum LinnetOneDnnType type;
  std::int64_t N, K;
  const void* weights;        ///< [N, K] float for F32 and BF16 (rounded by oneDNN), int8 for S8
  const float* weight_scale;  ///< [N], of S8 only
  const float* bias;          ///< [N] or null
};

/// One product: y = x · weightsᵀ + bias, then activation, then residual + y.
/// S8: y = fma(float(acc) · x_scale[m], weight_scale[n], bias[n] or +0), then the activation as
/// `activate` does it, so that the bits are linnet's, then residual + y.
struct LinnetOneDnnRunArgs {
  std::int64_t M;
  const void* x;  ///< [M, K] of the layer's type: float, BF16 bits, int8. Fastest with ldx == K
  std::int64_t ldx;
  const float* x_scale;  ///< [M], of S8 only
  float* y;              ///< [M, N]. Fastest with ldy == N
  std::int64_t ldy;
  std::int32_t activation;  ///< a value of linnet::kernels::Activation
  const float* residual;    ///< [M, N] or null; may be y with the same ld
  std::int64_t ld_residual;
  /// y[i] = activation(y[i]) for i < n: of S8 with an activation only. Any threads may call it.
  void (*activate)(const void* kernels, float* y, std::int64_t n, std::int32_t activation);
  const void* kernels;  ///< its first argument
};

struct LinnetOneDnnLayer;

/// Where a function writes why it failed: cut to fit, always ended by a zero.
struct LinnetOneDnnError {
  char text[512];
};

struct LinnetOneDnnApi {
  std::int32_t abi;     ///< kLinnetOneDnnAbi of the plug-in
  const char* version;  ///< of oneDNN at run time, as "2.6.3"
  const char* isa;      ///< what oneDNN takes this CPU for, as "avx512_core_vnni"
  /// Null and an error: a type that oneDNN lacks or computes wrongly on this CPU, no memory.
  struct LinnetOneDnnLayer* (*create)(const struct LinnetOneDnnLayerArgs* args,
                                      struct LinnetOneDnnError* error);
  /// 0, or an error. Runs on the calling thread alone; any threads may share a layer.
  int (*run)(const struct LinnetOneDnnLayer* layer, const struct LinnetOneDnnRunArgs* args,
             struct LinnetOneDnnError* error);
  void (*destroy)(struct LinnetOneDnnLayer* layer);
  /// oneDNN's name of the implementation for M rows without activation, as "brg:avx512_core"; null
  /// and an error as for run. Lives as long as the layer.
  const char* (*implementation)(const struct LinnetOneDnnLayer* layer, std::int64_t M,
                                struct LinnetOneDnnError* error);
};

/// The one symbol of the plug-in.
const struct LinnetOneDnnApi* linnet_onednn_api(void);

}  // extern "C"
