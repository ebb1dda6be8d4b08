#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace linnet {

/// The threads of one session: `count` of them, the caller's own included. Regions run one after
/// the other; the thread that starts them may change from one to the next. Workers run where the
/// thread of the first region may run, with signals blocked; they wait actively for about 30 µs
/// after a region, then sleep: an idle process uses no CPU. A forked child gets new workers at its
/// first region. The destructor joins them, or else the end of the process or the unloading of the
/// library. Compiled with LINNET_THREADS=openmp, regions run in the process's OpenMP pool instead.
class Threads {
 public:
  /// count >= 1. Workers start with the first region that needs them.
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return count_; }

  /// body(thread) once for each thread 0..used-1, all at the same time; returns when all are done.
  /// used <= count(). The body must not throw and must not fork. A region that is started inside
  /// another one of the same Threads runs on its caller alone. Throws kLimit if the system refuses
  /// to start the workers; the next region tries again.
  using Body = void (*)(void* context, int thread) noexcept;
  void run(int used, Body body, void* context);

 private:
  struct Pool;
  int count_;
  std::unique_ptr<Pool> pool_;
};

/// "pool" or "openmp": what this library was built with.
const char* threads_provider();

/// Threads that this process may use: CPUs of its affinity mask, at most its cgroup's CPU limit
/// rounded up.
int available_threads();

/// f(begin, end, thread) over slices of [0, n), one contiguous slice a thread, in fixed places:
/// slice t of T is [n·t/T, n·(t+1)/T). No more threads than n / grain: small work stays on the
/// caller. Results must not depend on the slices: split by outputs, never along a reduction.
template <class F>
void parallel_for(Threads& threads, std::int64_t n, std::int64_t grain, F&& f) {
  if (n <= 0) return;
  const std::int64_t most = n / (grain > 0 ? grain : 1);
  const int used = most < 2 ? 1 : most < threads.count() ? static_cast<int>(most) : threads.count();
  if (used == 1) {
    f(std::int64_t{0}, n, 0);
    return;
  }
  struct Region {
    std::remove_reference_t<F>* f;
    std::int64_t n, used;
  } region{&f, n, used};
  threads.run(
      used,
      [](void* context, int thread) noexcept {
        const auto& r = *static_cast<Region*>(context);
        (*r.f)(r.n * thread / r.used, r.n * (thread + 1) / r.used, thread);
      },
      &region);
}

}  // namespace linnet
