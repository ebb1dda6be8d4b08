#pragma once

namespace linnet {

/// While it lives, SSE and AVX arithmetic of this thread rounds to nearest and keeps denormals
/// (MXCSR 0x1F80); then the caller's value returns. Every public entry that computes holds one:
/// hosts linked with -ffast-math have flush-to-zero set for everybody.
class FloatEnvironment {
 public:
  FloatEnvironment();
  ~FloatEnvironment();
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  unsigned saved_;
};

}  // namespace linnet
