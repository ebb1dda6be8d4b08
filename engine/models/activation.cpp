#include "engine/models/activation.h"

#include <array>

#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet {
namespace {

using kernels::Activation;

struct Entry {
  std::string_view name;
  Activation activation;
};

// Names of transformers, activations.py. The tanh forms differ in the last bits only.
constexpr std::array<Entry, 11> kActivations{{
    {"gelu", Activation::kGelu},
    {"gelu_python", Activation::kGelu},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"gelu_10", Activation::kGelu10},
    {"quick_gelu", Activation::kQuickGelu},
    {"relu", Activation::kRelu},
    {"silu", Activation::kSilu},
    {"swish", Activation::kSilu},
    {"tanh", Activation::kTanh},
}};

}  // namespace

Activation read_activation(json::Value config, std::string_view key, Activation otherwise) {
  const auto value = config.find_non_null(key);
  if (!value) return otherwise;
  for (const Entry& entry : kActivations) {
    if (value->string() == entry.name) return entry.activation;
  }
  try {
    value->fail("the activation " + quote(value->string()) + " is not supported");
  } catch (const Error& e) {
    throw Error(ErrorCode::kUnsupported, e.what());
  }
}

}  // namespace linnet
