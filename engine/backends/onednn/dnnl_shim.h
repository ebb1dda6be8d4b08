#pragma once

// The only file that knows how builds of oneDNN differ. oneDNN 2 describes an operation first and
// asks for an implementation of it afterwards; oneDNN 3 does both at once. Either has its threads
// from OpenMP, or none.
#include <dnnl.hpp>

namespace linnet::onednn {

#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
// libgomp's, which oneDNN is linked to; <omp.h> may belong to another OpenMP.
extern "C" int omp_get_max_threads();
extern "C" void omp_set_num_threads(int);

/// While it lives, oneDNN computes on the calling thread alone. linnet's threads split the work; a
/// second pool would take turns with them on the same cores. No team of OpenMP ever starts.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_ = omp_get_max_threads();  // of this thread: the setting is not shared
};
#elif DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_SEQ
class OneThread {
 public:
  OneThread() {}
};
#else
#error "oneDNN must be built for OpenMP or without threads"
#endif

inline void append_eltwise(dnnl::post_ops& ops, dnnl::algorithm algorithm, float alpha,
                           float beta) {
#if DNNL_VERSION_MAJOR >= 3
  ops.append_eltwise(algorithm, alpha, beta);
#else
  ops.append_eltwise(1.0f, algorithm, alpha, beta);
#endif
}

/// y = x · w + bias; an empty description of a bias means none.
inline dnnl::matmul::primitive_desc describe_matmul(
    const dnnl::engine& engine, const dnnl::memory::desc& x, const dnnl::memory::desc& w,
    const dnnl::memory::desc& bias, const dnnl::memory::desc& y, const dnnl::primitive_attr& attr) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, x, w, bias, y, attr};
#else
  return {dnnl::matmul::desc(x, w, bias, y), attr, engine};
#endif
}

}  // namespace linnet::onednn
