#include "tools/bench/openblas.h"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "tools/bench/interleave.h"
#include "tools/bench/pages.h"
#include "weights/base/error.h"

namespace linnet::bench {
namespace {

// Values of CBLAS, the C interface of BLAS: netlib.org/blas.
enum Order : int { kRowMajor = 101 };
enum Transpose : int { kNoTrans = 111, kTrans = 112 };
using Sgemm = void (*)(Order, Transpose, Transpose, int M, int N, int K, float alpha,
                       const float* a, int lda, const float* b, int ldb, float beta, float* c,
                       int ldc);
using Sgemv = void (*)(Order, Transpose, int M, int N, float alpha, const float* a, int lda,
                       const float* x, int incx, float beta, float* y, int incy);

struct Library {
  Sgemm sgemm;
  Sgemv sgemv;
  std::string config;
};

template <class Function>
Function symbol(void* handle, const char* name) {
  void* const found = dlsym(handle, name);
  if (found == nullptr) throw Error(ErrorCode::kUnsupported, std::string("OpenBLAS: no ") + name);
  return reinterpret_cast<Function>(found);
}

Library open() {
  const char* file = std::getenv("LINNET_OPENBLAS");
  if (file == nullptr) file = "libopenblas.so.0";
  void* const handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    throw Error(ErrorCode::kUnsupported, std::string("OpenBLAS: ") + dlerror());
  using Config = const char* (*)();
  return {symbol<Sgemm>(handle, "cblas_sgemm"), symbol<Sgemv>(handle, "cblas_sgemv"),
          symbol<Config>(handle, "openblas_get_config")()};
}

/// Opened once, with what the environment says at that moment.
const Library& library() {
  static const Library one = open();
  return one;
}

class OpenBlas final : public Opponent {
 public:
  OpenBlas(const GemmProblem& p, const GemmCase& ours)
      : operands_(ours.operands()),
        m_(static_cast<int>(p.M)),
        n_(static_cast<int>(p.N)),
        k_(static_cast<int>(p.K)),
        copies_(p.copies),
        stride_((static_cast<std::size_t>(p.N * p.K) + 1023) / 1024 * 1024),
        w_(stride_ * static_cast<std::size_t>(p.copies), p.pages),
        y_(static_cast<std::size_t>(p.M * p.N), p.pages) {
    double seconds[2] = {};
    for (const bool by_inputs : {false, true}) {
      lay(by_inputs, 1);
      run();
      const double start = now();
      for (int i = 0; i < 3; ++i) run();
      seconds[by_inputs] = now() - start;
    }
    lay(seconds[true] < seconds[false], copies_);
  }

  void run() override {
    const float* w = w_.data() + stride_ * static_cast<std::size_t>(turn_++ % copies_laid_);
    const auto* x = static_cast<const float*>(operands_.x);
    for (int m = 0; m < m_; ++m) std::copy_n(operands_.bias, n_, y_.data() + std::int64_t{n_} * m);
    if (m_ == 1 && by_inputs_) {
      library().sgemv(kRowMajor, kTrans, k_, n_, 1, w, n_, x, 1, 1, y_.data(), 1);
    } else if (m_ == 1) {
      library().sgemv(kRowMajor, kNoTrans, n_, k_, 1, w, k_, x, 1, 1, y_.data(), 1);
    } else {
      library().sgemm(kRowMajor, kNoTrans, by_inputs_ ? kNoTrans : kTrans, m_, n_, k_, 1, x, k_, w,
                      by_inputs_ ? n_ : k_, 1, y_.data(), n_);
    }
  }

  double difference(const float* y) const override {
    double worst = 0;
    for (std::int64_t i = 0; i < std::int64_t{m_} * n_; ++i) {
      worst = std::max(worst, std::abs(double{y[i]} - y_.data()[i]));
    }
    return worst;
  }

 private:
  /// The weights as [K, N] or as [N, K], so many times.
  void lay(bool by_inputs, std::int64_t copies) {
    by_inputs_ = by_inputs, copies_laid_ = copies, turn_ = 0;
    const auto* w = static_cast<const float*>(operands_.w);
    for (std::int64_t n = 0; n < n_; ++n) {
      for (std::int64_t k = 0; k < k_; ++k) {
        w_.data()[by_inputs ? k * n_ + n : n * k_ + k] = w[n * k_ + k];
      }
    }
    for (std::int64_t c = 1; c < copies; ++c) {
      std::copy_n(w_.data(), stride_, w_.data() + stride_ * static_cast<std::size_t>(c));
    }
  }

  GemmOperands operands_;
  int m_, n_, k_;
  std::int64_t copies_, copies_laid_ = 1, turn_ = 0;
  bool by_inputs_ = false;
  std::size_t stride_;
  Pages<float> w_, y_;
};

void cap(kernels::Isa isa) {
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  setenv("OPENBLAS_CORETYPE", isa >= kernels::Isa::kAvx512 ? "SkylakeX" : "Haswell", 1);
  library();
}

/// "OpenBLAS 0.3.21 … SkylakeX MAX_THREADS=64" without what does not matter here.
std::string version() {
  const std::string& config = library().config;
  std::string out;
  for (std::size_t begin = 0, word = 0; begin < config.size(); ++word) {
    const std::size_t end = std::min(config.find(' ', begin), config.size());
    const std::string text = config.substr(begin, end - begin);
    if (word < 2 || text == "SkylakeX" || text == "Haswell") {
      out += (out.empty() ? "" : " ") + text;
    }
    begin = end + 1;
  }
  return out;
}

}  // namespace

const OpponentLibrary kOpenBlas = {
    .name = "openblas",
    .takes =
        [](NumberType type, Epilogue epilogue) {
          return type == NumberType::kF32 && epilogue == Epilogue::kNone;
        },
    .cap = cap,
    .version = version,
    .make = [](const GemmProblem& problem, const GemmCase& ours) -> std::unique_ptr<Opponent> {
      return std::make_unique<OpenBlas>(problem, ours);
    },
};

}  // namespace linnet::bench
