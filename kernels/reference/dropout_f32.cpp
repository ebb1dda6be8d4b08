#include "kernels/philox.h"
#include "kernels/reference/reference.h"

namespace linnet::kernels::reference {
namespace {

struct Lanes {
  using Vector = std::uint32_t;
  static constexpr std::int64_t kElements = 4;

  static Vector counters(std::uint32_t first) { return first; }
  static Vector all(std::uint32_t word) { return word; }
  static void round(Vector (&w)[4], std::uint32_t k0, std::uint32_t k1) {
    const std::uint64_t p = std::uint64_t{kPhilox0} * w[0], q = std::uint64_t{kPhilox1} * w[2];
    w[0] = static_cast<std::uint32_t>(q >> 32) ^ w[1] ^ k0;
    w[1] = static_cast<std::uint32_t>(q);
    w[2] = static_cast<std::uint32_t>(p >> 32) ^ w[3] ^ k1;
    w[3] = static_cast<std::uint32_t>(p);
  }
  static void put(float* factor, const Vector (&w)[4], const DropoutF32Args& a) {
    for (int j = 0; j < 4; ++j) factor[j] = w[j] >> 8 < a.threshold ? 0.0f : a.scale;
  }
};

}  // namespace

void dropout_f32(const DropoutF32Args& args) noexcept { dropout<Lanes>(args); }

}  // namespace linnet::kernels::reference
