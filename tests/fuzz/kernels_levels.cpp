// The same operands, whatever their bits, to every level: each must give the bytes of the
// reference. The first bytes choose operation and sizes; the others are the operands' bits, over
// and over.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "kernels/kernel_table.h"

namespace linnet::kernels {
namespace {

class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  /// A number in [low, high].
  std::int64_t number(std::int64_t low, std::int64_t high) {
    return low + next() % (high - low + 1);
  }
  /// n signed bytes but -128.
  std::vector<std::int8_t> signed_bytes(std::int64_t n) {
    std::vector<std::int8_t> x(static_cast<std::size_t>(n));
    for (std::int8_t& v : x)
      v = static_cast<std::int8_t>(static_cast<int>(mixed_byte() % 255) - 127);
    return x;
  }
  /// n floats of exactly that size, so that the sanitizer sees an access beside them.
  std::vector<float> floats(std::int64_t n) {
    std::vector<float> x(static_cast<std::size_t>(n));
    for (float& v : x) v = one();
    return x;
  }

 private:
  std::uint8_t next() { return bytes_.empty() ? 0 : bytes_[at_++ % bytes_.size()]; }

  // Without the position the operands would repeat with the input; 0 and 254 stay what they are, so
  // that an input of one of them has the extremes everywhere.
  std::uint32_t mixed_byte() {
    const std::uint32_t byte = next();
    return byte == 0 || byte == 254 ? byte
                                    : byte ^ static_cast<std::uint32_t>(at_) * 2654435761u >> 24;
  }

  // A byte says how wild the number is: any bits, or a full mantissa with a moderate exponent.
  float one() {
    const std::uint32_t kind = next();
    std::uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) bits = bits << 8 | next();
    // Without this the operands would repeat with the input.
    bits ^= static_cast<std::uint32_t>(at_) * 2654435761u >> 9;
    if (kind < 16) return std::bit_cast<float>(bits);
    return std::bit_cast<float>((bits & 0x807FFFFFu) | (119 + (bits >> 23) % 17) << 23);
  }

  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

void demand_same(const char* operation, Isa isa, const std::vector<float>& got,
                 const std::vector<float>& want) {
  for (std::size_t i = 0; i < want.size(); ++i) {
    const bool same = std::isnan(want[i]) ? std::isnan(got[i])
                                          : std::bit_cast<std::uint32_t>(got[i]) ==
                                                std::bit_cast<std::uint32_t>(want[i]);
    if (same) continue;
    std::fprintf(stderr, "%s at level %s: element %zu is %a, expected %a\n", operation, name(isa),
                 i, static_cast<double>(got[i]), static_cast<double>(want[i]));
    std::abort();
  }
}

/// Runs `f(table)`, which gives the results, at every level.
template <class F>
void every_level(const char* operation, F f) {
  const std::vector<float> want = f(make_table(Isa::kReference));
  for (const Isa isa : runnable_isas()) demand_same(operation, isa, f(make_table(isa)), want);
}

Activation activation(Input& in) { return static_cast<Activation>(in.number(0, 9)); }

void gemm(Input& in) {
  const std::int64_t M = in.number(1, 20), N = in.number(1, 120), K = in.number(1, 40);
  const std::int64_t ldx = K + in.number(0, 3), ldy = N + in.number(0, 3);
  const bool in_place = in.number(0, 1) == 1, biased = in.number(0, 1) == 1;
  const bool transposed = in.number(0, 1) == 1;
  const Activation f = activation(in);
  const std::vector<float> x = in.floats((M - 1) * ldx + K), w = in.floats(N * K);
  const std::vector<float> bias = in.floats(N), residual = in.floats((M - 1) * ldy + N);
  every_level("gemm_f32", [&](const KernelTable& table) {
    const GemmF32& g = table.gemm_f32;
    std::vector<float> packed(static_cast<std::size_t>(g.packed_floats(N, K)));
    g.pack(packed.data(), w.data(), transposed ? 1 : K, transposed ? N : 1, N, K, 0, N);
    std::vector<float> y = residual;
    GemmF32Args a = {.y = y.data(), .ldy = ldy, .x = x.data(), .ldx = ldx, .w = packed.data()};
    a.bias = biased ? bias.data() : nullptr;
    a.residual = in_place ? y.data() : residual.data();
    a.ld_residual = ldy;
    a.activation = f;
    a.M = M, a.N = N, a.K = K;
    for (std::int64_t n = 0; n < N; n += g.column_step) {  // as threads would
      a.n_begin = n, a.n_end = std::min(N, n + g.column_step);
      g.run(a);
    }
    return y;
  });
}

void gemm_tn(Input& in) {
  const std::int64_t T = in.number(0, 40), N = in.number(1, 30), K = in.number(1, 120);
  const std::int64_t lda = N + in.number(0, 3), ldb = K + in.number(0, 3),
                     ldc = K + in.number(0, 3);
  const auto start = static_cast<ChainStart>(in.number(0, 1));
  const std::int64_t step = in.number(1, N);
  const auto size = [T](std::int64_t ld, std::int64_t n) { return T == 0 ? 0 : (T - 1) * ld + n; };
  const std::vector<float> a = in.floats(size(lda, N)), b = in.floats(size(ldb, K));
  const std::vector<float> c_before = in.floats((N - 1) * ldc + K);
  every_level("gemm_tn_f32", [&](const KernelTable& table) {
    std::vector<float> c = c_before;
    GemmTnF32Args g = {.c = c.data(), .ldc = ldc, .a = a.data(), .lda = lda, .b = b.data()};
    g.ldb = ldb, g.start = start, g.T = T, g.N = N, g.K = K;
    for (std::int64_t n = 0; n < N; n += step) {  // as threads would
      g.n_begin = n, g.n_end = std::min(N, n + step);
      table.gemm_tn_f32(g);
    }
    return c;
  });
}

std::vector<float> as_floats(const std::vector<std::uint8_t>& bytes, std::uint8_t shift) {
  std::vector<float> values;
  for (const std::uint8_t b : bytes) {
    values.push_back(static_cast<std::int8_t>(static_cast<std::uint8_t>(b - shift)));
  }
  return values;
}

/// Quantises x for this table's product.
std::vector<std::uint8_t> quantised(const KernelTable& table, const std::vector<float>& x,
                                    std::int64_t M, std::int64_t K, std::vector<float>& scale) {
  std::vector<std::uint8_t> q(static_cast<std::size_t>(M * padded_k(K)));
  scale.resize(static_cast<std::size_t>(M));
  table.quantize_rows_s8({.q = q.data(),
                          .ldq = padded_k(K),
                          .scale = scale.data(),
                          .x = x.data(),
                          .ldx = K,
                          .M = M,
                          .K = K,
                          .shift = table.gemm_s8.shift});
  return q;
}

float widened(std::uint16_t b) { return std::bit_cast<float>(std::uint32_t{b} << 16); }

/// Rounded and packed operands have the same bits at every level. Products are outside of that
/// promise: where nothing overflows they lie within a bound of the exact sum, elsewhere they only
/// have to stay within their memory.
void gemm_bf16(Input& in) {
  const std::int64_t M = in.number(1, 40), N = in.number(1, 120), K = in.number(1, 80);
  const std::int64_t ld = padded_k_bf16(K);
  const std::vector<float> x = in.floats(M * K), w = in.floats(N * K);
  std::vector<std::uint16_t> rounded_w(static_cast<std::size_t>(N * ld));
  make_table(Isa::kReference).round_rows_bf16(rounded_w.data(), ld, w.data(), K, N, K);
  std::vector<std::uint16_t> x_first, w_first;
  for (const Isa isa : runnable_isas()) {
    const KernelTable table = make_table(isa);
    std::vector<std::uint16_t> q(static_cast<std::size_t>(M * ld));
    std::vector<std::uint16_t> packed(static_cast<std::size_t>((N + 15) / 16 * 16 * ld));
    table.round_rows_bf16(q.data(), ld, x.data(), K, M, K);
    table.pack_bf16(packed.data(), w.data(), K, 1, K, 0, N);
    if (isa == Isa::kReference) x_first = q, w_first = packed;
    if (q != x_first || packed != w_first) {
      std::fprintf(stderr, "bf16 operands at level %s differ from the reference's\n", name(isa));
      std::abort();
    }
    std::vector<float> y(static_cast<std::size_t>(M * N));
    GemmBf16Args a = {.y = y.data(), .ldy = N, .x = q.data(), .ldx = ld};
    a.w = packed.data();
    a.M = M, a.N = N, a.K = K, a.n_end = N;
    table.gemm_bf16(a);
    for (std::int64_t i = 0; i < M * N; ++i) {
      double sum = 0, magnitude = 0;
      for (std::int64_t k = 0; k < K; ++k) {
        const double product = double{widened(q[static_cast<std::size_t>(i / N * ld + k)])} *
                               double{widened(rounded_w[static_cast<std::size_t>(i % N * ld + k)])};
        sum += product;
        magnitude += std::abs(product);
      }
      if (!(magnitude < 1e37)) continue;
      // A rounding for each term and each partial sum; what is below 2^-126 may be taken as 0.
      const double bound = static_cast<double>(2 * K + 4) * (0x1p-23 * magnitude + 0x1p-125);
      if (std::abs(double{y[static_cast<std::size_t>(i)]} - sum) <= bound) continue;
      std::fprintf(stderr, "gemm_bf16 at level %s: element %ld is %a, expected %a\n", name(isa),
                   static_cast<long>(i), double{y[static_cast<std::size_t>(i)]}, sum);
      std::abort();
    }
  }
}

/// Quantise, multiply, quantise again.
void gemm_s8(Input& in) {
  const std::int64_t M = in.number(1, 40), N = in.number(1, 120), K = in.number(1, 150);
  const bool in_place = in.number(0, 1) == 1, biased = in.number(0, 1) == 1;
  const bool transposed = in.number(0, 1) == 1;
  const Activation f = activation(in);
  const std::vector<std::int8_t> w = in.signed_bytes(N * K);
  const std::vector<float> x = in.floats(M * K), w_scale = in.floats(N), bias = in.floats(N);
  const std::vector<float> residual = in.floats(M * N);
  every_level("gemm_s8", [&](const KernelTable& table) {
    std::vector<float> scale;
    const std::vector<std::uint8_t> q = quantised(table, x, M, K, scale);
    const auto bytes = static_cast<std::size_t>((N + 15) / 16 * 16 * column_bytes_s8(K));
    std::vector<std::int32_t> packed(bytes / 4);  // of integers: aligned to 4 at least
    auto* w_packed = reinterpret_cast<std::int8_t*>(packed.data());
    table.pack_s8(w_packed, w.data(), transposed ? 1 : K, transposed ? N : 1, K, 0, N);
    std::vector<float> y = residual;
    GemmS8Args a = {.y = y.data(), .ldy = N, .x = q.data(), .ldx = padded_k(K)};
    a.x_scale = scale.data(), a.w = w_packed, a.w_scale = w_scale.data();
    a.bias = biased ? bias.data() : nullptr;
    a.residual = in_place ? y.data() : residual.data(), a.ld_residual = N;
    a.activation = f;
    a.M = M, a.N = N, a.K = K;
    for (std::int64_t n = 0; n < N; n += kPanelS8) {  // as threads would
      a.n_begin = n, a.n_end = std::min(N, n + kPanelS8);
      table.gemm_s8.run(a);
    }
    std::vector<float> result = y, again;
    const std::vector<std::uint8_t> next = quantised(table, y, M, N, again);
    for (const std::vector<float>& part :
         {scale, as_floats(q, table.gemm_s8.shift), again, as_floats(next, table.gemm_s8.shift)}) {
      result.insert(result.end(), part.begin(), part.end());
    }
    return result;
  });
}

/// Weights of 4 bits; x has any bytes but -128, which no row is quantised to.
void gemm_s4(Input& in) {
  const std::int64_t M = in.number(1, 40), N = in.number(1, 120), K = in.number(1, 200);
  const std::int64_t K64 = padded_k(K), groups = K64 / kGroupS4;
  const std::int64_t ldx = K64 + in.number(0, 3), ldy = N + in.number(0, 3);
  const bool in_place = in.number(0, 1) == 1, biased = in.number(0, 1) == 1;
  const Activation f = activation(in);
  const std::vector<std::int8_t> x = in.signed_bytes((M - 1) * ldx + K64);
  const std::vector<std::int8_t> t = in.signed_bytes(N * groups);
  std::vector<std::int8_t> q = in.signed_bytes(N * K64);
  for (std::int8_t& v : q) v = static_cast<std::int8_t>(v >> 4);  // -8 .. 7
  const std::vector<float> x_scale = in.floats(M), w_scale = in.floats(N), bias = in.floats(N);
  const std::vector<float> residual = in.floats((M - 1) * ldy + N);
  every_level("gemm_s4", [&](const KernelTable& table) {
    std::vector<std::int8_t> packed(
        static_cast<std::size_t>((N + 15) / 16 * 16 * column_bytes_s4(K)));
    table.pack_s4(packed.data(), q.data(), t.data(), K, 0, N);
    std::vector<float> y = residual;
    GemmS8Args a = {.y = y.data(), .ldy = ldy};
    a.x = reinterpret_cast<const std::uint8_t*>(x.data()), a.ldx = ldx;
    a.x_scale = x_scale.data(), a.w = packed.data(), a.w_scale = w_scale.data();
    a.bias = biased ? bias.data() : nullptr;
    a.residual = in_place ? y.data() : residual.data(), a.ld_residual = ldy;
    a.activation = f;
    a.M = M, a.N = N, a.K = K;
    for (std::int64_t n = 0; n < N; n += kPanelS4) {  // as threads would
      a.n_begin = n, a.n_end = std::min(N, n + kPanelS4);
      table.gemm_s4(a);
    }
    return y;
  });
}

void rows(Input& in) {
  const std::int64_t M = in.number(1, 9), D = in.number(1, 200);
  const std::vector<float> x = in.floats(M * D), gamma = in.floats(D), beta = in.floats(D);
  every_level("layer_norm_f32", [&](const KernelTable& table) {
    std::vector<float> y(x.size()), mean(static_cast<std::size_t>(M)), rstd(mean.size());
    table.layer_norm_f32(y.data(), mean.data(), rstd.data(), x.data(), gamma.data(), beta.data(), M,
                         D, 1e-12f);
    y.insert(y.end(), mean.begin(), mean.end());
    y.insert(y.end(), rstd.begin(), rstd.end());
    return y;
  });
  every_level("layer_norm_s8", [&](const KernelTable& table) {
    std::vector<float> y(x.size()), scale(static_cast<std::size_t>(M));
    std::vector<std::uint8_t> q(static_cast<std::size_t>(M * padded_k(D)));
    LayerNormS8Args a = {.y = y.data(), .q = q.data(), .ldq = padded_k(D), .scale = scale.data()};
    a.x = x.data(), a.gamma = gamma.data(), a.beta = beta.data();
    a.M = M, a.D = D, a.eps = 1e-12f, a.shift = table.gemm_s8.shift;
    table.layer_norm_s8(a);
    const std::vector<float> bytes = as_floats(q, a.shift);
    y.insert(y.end(), scale.begin(), scale.end());
    y.insert(y.end(), bytes.begin(), bytes.end());
    return y;
  });
  every_level("softmax_f32", [&](const KernelTable& table) {
    std::vector<float> y(x.size());
    table.softmax_f32(y.data(), D, x.data(), D, M, D);
    return y;
  });
  every_level("normalize_l2_f32", [&](const KernelTable& table) {
    std::vector<float> y = x;
    table.normalize_l2_f32(y.data(), y.data(), M, D, 1e-12f);
    return y;
  });
}

void embeddings(Input& in) {
  const std::int64_t M = in.number(1, 9), D = in.number(1, 100), V = 5;
  const std::vector<float> word = in.floats(V * D), type = in.floats(V * D);
  const std::vector<float> position = in.floats(V * D), scale = in.floats(V);
  const std::vector<std::int8_t> word_s8 = in.signed_bytes(V * D);
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < 3 * M; ++i) {
    ids.push_back(static_cast<std::int32_t>(in.number(0, V - 1)));
  }
  const bool s8 = in.number(0, 1) == 1, typed = in.number(0, 1) == 1;
  every_level("embed_rows", [&](const KernelTable& table) {
    std::vector<float> y(static_cast<std::size_t>(M * D));
    EmbedRowsArgs a = {.y = y.data(), .ldy = D, .word = s8 ? nullptr : word.data()};
    a.word_s8 = word_s8.data(), a.word_scale = scale.data(), a.ld_word = D;
    a.type = typed ? type.data() : nullptr, a.ld_type = D;
    a.position = position.data(), a.ld_position = D;
    a.tokens = ids.data(), a.types = a.tokens + M, a.positions = a.types + M;
    a.M = M, a.D = D;
    table.embed_rows(a);
    return y;
  });
}

void transformed_rows(Input& in) {
  const std::int64_t M = in.number(1, 4), K = in.number(1, 600);
  RowTransform f;
  f.n = 1 << in.number(0, 5);
  while (padded_k(K) / 16 % f.n != 0) f.n /= 2;
  f.thirds = padded_k(K) / (16 * f.n) % 3 == 0 && in.number(0, 1) == 1;
  f.in_lane = in.number(0, 1) == 1;
  const std::vector<float> x = in.floats(M * K), r = in.floats(K);
  if (in.number(0, 1) == 1) f.r = r.data();
  every_level("transform_rows_f32", [&](const KernelTable& table) {
    std::vector<float> y(static_cast<std::size_t>(M * padded_k(K)));
    TransformRowsF32Args a = {.y = y.data(), .ldy = padded_k(K), .x = x.data(), .ldx = K};
    a.M = M, a.K = K, a.transform = f;
    table.transform_rows_f32(a);
    return y;
  });
  every_level("quantize_rows_s8", [&](const KernelTable& table) {
    std::vector<float> scale(static_cast<std::size_t>(M));
    std::vector<float> scratch(static_cast<std::size_t>(padded_k(K)));
    std::vector<std::uint8_t> q(static_cast<std::size_t>(M * padded_k(K)));
    QuantizeRowsS8Args a = {.q = q.data(), .ldq = padded_k(K), .scale = scale.data()};
    a.x = x.data(), a.ldx = K, a.M = M, a.K = K, a.shift = table.gemm_s8.shift;
    a.transform = f, a.scratch = scratch.data();
    table.quantize_rows_s8(a);
    const std::vector<float> bytes = as_floats(q, a.shift);
    scale.insert(scale.end(), bytes.begin(), bytes.end());
    return scale;
  });
}

void elements(Input& in) {
  const Activation f = activation(in);
  const std::vector<float> x = in.floats(in.number(1, 200));
  every_level("activate_f32", [&](const KernelTable& table) {
    std::vector<float> y = x;
    table.activate_f32(y.data(), y.data(), static_cast<std::int64_t>(y.size()), f);
    return y;
  });
}

/// Memory of so many floats on a border of 64 bytes, of exactly that size.
class Scratch {
 public:
  explicit Scratch(std::int64_t floats)
      : memory_(::operator new (static_cast<std::size_t>(floats) * sizeof(float),
                                std::align_val_t{64})) {}
  float* data() const { return static_cast<float*>(memory_.get()); }

 private:
  struct Free {
    void operator()(void* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  std::unique_ptr<void, Free> memory_;
};

void attention(Input& in) {
  const std::int64_t keys = in.number(1, 110), width = in.number(1, 80);
  const std::int64_t begin = in.number(0, keys - 1), end = in.number(begin + 1, keys);
  const std::int64_t ld = 3 * width + in.number(0, 2);
  const bool causal = in.number(0, 1) == 1;
  const std::vector<float> qkv = in.floats((keys - 1) * ld + 3 * width);
  every_level("attention_f32", [&](const KernelTable& table) {
    std::vector<float> y(static_cast<std::size_t>((end - begin) * width));
    const Scratch scratch(table.attention_f32.scratch_floats(keys, width));
    table.attention_f32.run({.y = y.data() - begin * width,
                             .ldy = width,
                             .q = qkv.data(),
                             .k = qkv.data() + width,
                             .v = qkv.data() + 2 * width,
                             .ld_qkv = ld,
                             .keys = keys,
                             .head_width = width,
                             .query_begin = begin,
                             .query_end = end,
                             .scale = 0.125f,
                             .causal = causal,
                             .scratch = scratch.data()});
    return y;
  });
  every_level("attention_s8", [&](const KernelTable& table) {
    std::vector<float> y(static_cast<std::size_t>((end - begin) * width));
    const Scratch scratch(table.attention_s8.scratch_floats(keys, width));
    AttentionS8Args a = {.y = y.data() - begin * width, .ldy = width, .q = qkv.data()};
    a.k = a.q + width, a.v = a.k + width, a.ld_qkv = ld;
    a.keys = keys, a.head_width = width, a.query_begin = begin, a.query_end = end;
    a.scale = 0.125f, a.causal = causal, a.scratch = scratch.data();
    table.attention_s8.run(a);
    return y;
  });
}

}  // namespace
}  // namespace linnet::kernels

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace k = linnet::kernels;
  k::Input in({data, size});
  switch (in.number(0, 8)) {
    case 0:
      k::gemm(in);
      break;
    case 1:
      k::rows(in);
      break;
    case 2:
      k::elements(in);
      break;
    case 3:
      k::gemm_s8(in);
      break;
    case 4:
      k::transformed_rows(in);
      k::embeddings(in);
      break;
    case 5:
      k::attention(in);
      break;
    case 6:
      k::gemm_bf16(in);
      break;
    case 7:
      k::gemm_tn(in);
      break;
    default:
      k::gemm_s4(in);
  }
  return 0;
}
