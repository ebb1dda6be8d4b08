#include "bench/against/onednn.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "tools/bench/pages.h"

namespace linnet::bench {
namespace {

using dnnl::memory;
using kernels::Isa;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

memory::data_type data_type(NumberType type) {
  return type == NumberType::kF32  ? memory::data_type::f32
         : type == NumberType::kS8 ? memory::data_type::s8
                                   : memory::data_type::bf16;
}

class OneDnn final : public Opponent {
 public:
  OneDnn(const GemmProblem& p, const GemmCase& ours)
      : p_(p),
        operands_(ours.operands()),
        to_s8_(p.epilogue == Epilogue::kRequantize),
        bias_(operands_.bias, operands_.bias + p.N),
        y_(size(p.M * p.N * (to_s8_ ? 1 : 4)), p.pages) {
    const float* y = ours.y();
    float most = 0;
    for (std::int64_t i = 0; i < p.M * p.N; ++i) most = std::max(most, std::abs(y[i]));
    y_scale_ = to_s8_ ? most / 127 : 1;
    prepare();
  }

  void run() override {
    arguments_[DNNL_ARG_WEIGHTS] = weights_[size(turn_++ % p_.copies)];
    primitive_.execute(stream_, arguments_);
  }

  double difference(const float* y) const override {
    double worst = 0;
    for (std::int64_t i = 0; i < p_.M * p_.N; ++i) {
      const double here =
          to_s8_ ? double{y_scale_} * reinterpret_cast<const std::int8_t*>(y_.data())[i]
                 : double{reinterpret_cast<const float*>(y_.data())[i]};
      worst = std::max(worst, std::abs(here - y[i]));
    }
    return worst;
  }

 private:
  void prepare() {
    using Tag = memory::format_tag;
    const auto f32 = memory::data_type::f32;
    const bool is_s8 = p_.type == NumberType::kS8;
    const auto x_type = is_s8 && p_.non_negative ? memory::data_type::u8 : data_type(p_.type);
    const memory::desc x({p_.M, p_.K}, x_type, Tag::ab), b({p_.N}, f32, Tag::a);
    const memory::desc any({p_.N, p_.K}, data_type(p_.type), Tag::any);
    const memory::desc y({p_.M, p_.N}, to_s8_ ? memory::data_type::s8 : f32, Tag::ab);
    const dnnl::inner_product_forward::desc d(dnnl::prop_kind::forward_inference, x, any, b, y);
    const dnnl::inner_product_forward::primitive_desc pd(d, attributes(), engine_);
    primitive_ = dnnl::inner_product_forward(pd);
    pack(pd.weights_desc());
    arguments_ = {{DNNL_ARG_SRC, memory(x, engine_, x_values())},
                  {DNNL_ARG_BIAS, memory(b, engine_, bias_.data())},
                  {DNNL_ARG_DST, memory(y, engine_, y_.data())}};
  }

  dnnl::primitive_attr attributes() {
    dnnl::primitive_attr attr;
    if (p_.type == NumberType::kS8) {
      std::vector<float> scales(operands_.w_scale, operands_.w_scale + p_.N);
      for (std::size_t n = 0; n < scales.size(); ++n) {
        scales[n] *= operands_.x_scale;
        bias_[n] /= scales[n];  // the scales include the bias
      }
      attr.set_output_scales(1 << 1, scales);
    }
    dnnl::post_ops post;
    if (p_.epilogue != Epilogue::kNone) {
      post.append_eltwise(1 / y_scale_, dnnl::algorithm::eltwise_gelu_erf, 0, 0);
    }
    attr.set_post_ops(post);
    return attr;
  }

  /// One copy of the weights after the other, each on a border of a page.
  void pack(const memory::desc& layout) {
    const auto plain_type =
        p_.type == NumberType::kBf16 ? memory::data_type::f32 : data_type(p_.type);
    memory from({{p_.N, p_.K}, plain_type, memory::format_tag::ab}, engine_,
                const_cast<void*>(operands_.w));
    const std::size_t bytes = (layout.get_size() + 4095) / 4096 * 4096;
    weight_pages_ = std::make_unique<Pages<std::byte>>(bytes * size(p_.copies), p_.pages);
    for (std::int64_t c = 0; c < p_.copies; ++c) {
      weights_.emplace_back(layout, engine_, weight_pages_->data() + size(c) * bytes);
      dnnl::reorder(from, weights_.back()).execute(stream_, from, weights_.back());
    }
    stream_.wait();
  }

  /// x without the padding of its rows; INT8 without the shift.
  void* x_values() {
    const std::int64_t bytes = p_.type == NumberType::kF32 ? 4 : p_.type == NumberType::kS8 ? 1 : 2;
    x_ = std::make_unique<Pages<std::uint8_t>>(size(p_.M * p_.K * bytes), p_.pages);
    for (std::int64_t m = 0; m < p_.M; ++m) {
      const auto* from = static_cast<const std::uint8_t*>(operands_.x) + m * operands_.ldx * bytes;
      std::uint8_t* to = x_->data() + m * p_.K * bytes;
      std::transform(from, from + p_.K * bytes, to, [this](std::uint8_t q) {
        return static_cast<std::uint8_t>(q - operands_.shift);
      });
    }
    return x_->data();
  }

  GemmProblem p_;
  GemmOperands operands_;
  bool to_s8_;
  float y_scale_ = 1;
  std::vector<float> bias_;
  Pages<std::byte> y_;
  std::int64_t turn_ = 0;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::inner_product_forward primitive_;
  std::unique_ptr<Pages<std::byte>> weight_pages_;
  std::unique_ptr<Pages<std::uint8_t>> x_;
  std::vector<memory> weights_;
  std::unordered_map<int, memory> arguments_;
};

std::string version() {
  const dnnl_version_t* v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
         std::to_string(v->patch);
}

void cap(Isa isa) {
  omp_set_num_threads(1);
  if (isa == Isa::kAvxVnni) {
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2_vnni);
  } else if (isa < Isa::kAvx512) {
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
  } else if (isa == Isa::kAvx512) {
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core);
  }
}

}  // namespace

const OpponentLibrary kOneDnn = {
    .name = "onednn",
    .takes = [](NumberType, Epilogue) { return true; },
    .cap = cap,
    .version = version,
    .make = [](const GemmProblem& problem, const GemmCase& ours) -> std::unique_ptr<Opponent> {
      return std::make_unique<OneDnn>(problem, ours);
    },
};

}  // namespace linnet::bench
