#include "kernels/reference/reference.h"
#include "kernels/reference/scalar.h"

// y = x·Wᵀ with weights of 4 bits, 16 columns at a time.
namespace linnet::kernels::reference {
namespace {

constexpr std::int64_t kColumns = 16;

std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
std::int64_t round_up_16(std::int64_t n) { return (n + 15) / 16 * 16; }

/// Where the 32 of k of a group lie in a panel of `pitch` columns.
struct Group {
  const std::int8_t* t;         // [pitch]
  const std::uint8_t* nibbles;  // [4][pitch][4]

  Group(const std::int8_t* panel, std::int64_t pitch, std::int64_t g) {
    const std::int8_t* both = panel + g / 2 * 34 * pitch;
    t = both + g % 2 * pitch;
    nibbles = reinterpret_cast<const std::uint8_t*>(both + 2 * pitch + g % 2 * 16 * pitch);
  }
};

/// Sums of one row and 16 columns from column c of a panel.
void sums(std::int32_t (&acc)[kColumns], const std::uint8_t* x, const std::int8_t* panel,
          std::int64_t pitch, std::int64_t c, std::int64_t K) {
  for (std::int32_t& sum : acc) sum = 0;
  for (std::int64_t g = 0; g < padded_k(K) / kGroupS4; ++g, x += kGroupS4) {
    const Group group(panel, pitch, g);
    for (std::int64_t j = 0; j < kColumns; ++j) {
      std::int32_t of_group = 0;
      for (std::int64_t k = 0; k < kGroupS4; ++k) {
        const std::uint8_t both = group.nibbles[(k / 8 * pitch + c + j) * 4 + k % 4];
        const std::int32_t q = (k % 8 < 4 ? both & 15 : both >> 4) - 8;
        of_group += static_cast<std::int8_t>(x[k]) * q;
      }
      acc[j] += group.t[c + j] * of_group;
    }
  }
}

void finish(const GemmS8Args& a, std::int64_t m, std::int64_t n, std::int64_t width,
            const std::int32_t (&acc)[kColumns]) {
  float y[kColumns];
  for (std::int64_t j = 0; j < width; ++j) {
    const float bias = a.bias != nullptr ? a.bias[n + j] : 0.0f;
    y[j] = Scalar::fma(static_cast<float>(acc[j]) * a.x_scale[m], a.w_scale[n + j], bias);
  }
  activate_f32(y, y, width, a.activation);
  for (std::int64_t j = 0; j < width; ++j) {
    if (a.residual != nullptr) y[j] = a.residual[m * a.ld_residual + n + j] + y[j];
    a.y[m * a.ldy + n + j] = y[j];
  }
}

}  // namespace

void pack_s4(std::int8_t* packed, const std::int8_t* q, const std::int8_t* t, std::int64_t K,
             std::int64_t n_begin, std::int64_t n_end) noexcept {
  const std::int64_t ldq = padded_k(K), groups = ldq / kGroupS4;
  for (std::int64_t n = n_begin; n < n_end; n += kPanelS4) {
    const std::int64_t width = least(n_end - n, kPanelS4), pitch = round_up_16(width);
    std::int8_t* both = packed + n * column_bytes_s4(K);  // of two groups
    for (std::int64_t g = 0; g < groups; g += 2, both += 34 * pitch) {
      std::int8_t* bytes = both + 2 * pitch;
      for (std::int64_t c = 0; c < pitch; ++c) {
        for (std::int64_t h = 0; h < 2; ++h) {
          both[h * pitch + c] = c < width ? t[(n + c) * groups + g + h] : std::int8_t{0};
        }
        for (std::int64_t i = 0; i < 8; ++i) {  // 8 of k each
          for (std::int64_t j = 0; j < 4; ++j) {
            const std::int8_t* from = q + (n + c) * ldq + g * kGroupS4 + 8 * i + j;
            const std::int32_t low = c < width ? from[0] + 8 : 8,
                               high = c < width ? from[4] + 8 : 8;
            bytes[(i * pitch + c) * 4 + j] = static_cast<std::int8_t>(low | high << 4);
          }
        }
      }
    }
  }
}

void gemm_s4(const GemmS8Args& a) noexcept {
  for (std::int64_t n = a.n_begin; n < a.n_end; n += kPanelS4) {
    const std::int64_t width = least(a.n_end - n, kPanelS4), pitch = round_up_16(width);
    const std::int8_t* panel = a.w + n * column_bytes_s4(a.K);
    for (std::int64_t m = 0; m < a.M; ++m) {
      for (std::int64_t c = 0; c < width; c += kColumns) {
        std::int32_t acc[kColumns];
        sums(acc, a.x + m * a.ldx, panel, pitch, c, a.K);
        finish(a, m, n + c, least(width - c, kColumns), acc);
      }
    }
  }
}

}  // namespace linnet::kernels::reference
