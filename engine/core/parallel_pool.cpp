// The default threads: a pool of our own. A region is one store of an epoch and one wait for a
// counter; workers spin for a while, then sleep on a futex.
#include <immintrin.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/core/float_environment.h"
#include "engine/core/parallel.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

// Long enough to bridge the gap between two regions of a forward pass, short enough not to be seen.
constexpr std::chrono::microseconds kSpin{30};

constexpr std::uint32_t kUsedRange = 1 << 12;
constexpr int kMostThreads = kUsedRange - 1;

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}
void futex_wake(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

// Waits until `word` is no longer `seen`: actively at first, then asleep. `sleepers` tells the
// other side whether a wake is needed; both sides use seq_cst so that one of them sees the other.
std::uint32_t wait_while_equal(std::atomic<std::uint32_t>& word, std::uint32_t seen,
                               std::atomic<std::uint32_t>& sleepers) {
  const auto until = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {  // about 1 µs between looks at the clock
      const std::uint32_t value = word.load(std::memory_order_acquire);
      if (value != seen) return value;
      _mm_pause();
    }
  } while (std::chrono::steady_clock::now() < until);
  sleepers.fetch_add(1);
  std::uint32_t value = word.load();
  while (value == seen) {
    futex_wait(word, seen);
    value = word.load();
  }
  sleepers.fetch_sub(1);
  return value;
}

// One page that reads as zero in a forked child: how a pool notices that its workers are gone.
class ForkMark {
 public:
  ForkMark() {
    void* p = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw Error(ErrorCode::kLimit, "threads: no memory for one page");
    page_ = static_cast<volatile unsigned char*>(p);
    madvise(p, kBytes, MADV_WIPEONFORK);
    *page_ = 1;
  }
  ~ForkMark() { munmap(const_cast<unsigned char*>(page_), kBytes); }
  ForkMark(const ForkMark&) = delete;
  ForkMark& operator=(const ForkMark&) = delete;
  bool forked() const { return *page_ == 0; }

 private:
  static constexpr std::size_t kBytes = 4096;
  volatile unsigned char* page_;
};

}  // namespace

struct Threads::Pool {
  // Each word that is written by one side has a cache line of its own.
  // A new value starts a region: the low 12 bits are how many threads it uses, the rest counts. A
  // worker beyond that number reads nothing else, so nobody waits for it.
  alignas(64) std::atomic<std::uint32_t> epoch{0};
  alignas(64) std::atomic<std::uint32_t> running{0};  // workers that have not finished the region
  alignas(64) std::atomic<std::uint32_t> epoch_sleepers{0};
  std::atomic<std::uint32_t> running_sleepers{0};
  Body body = nullptr;  // null: the workers end
  void* context = nullptr;
  std::vector<std::thread> workers;
  ForkMark mark;

  explicit Pool(int count) {
    workers.reserve(static_cast<std::size_t>(count - 1));
    try {
      for (int t = 1; t < count; ++t) {
        workers.emplace_back([this, t] { work(t); });
      }
    } catch (const std::system_error&) {
      stop();
      throw Error(ErrorCode::kLimit,
                  "threads: the system refuses to start " + std::to_string(count) + " of them");
    }
  }
  ~Pool() { stop(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void stop() {
    body = nullptr;
    start(kMostThreads);
    for (std::thread& worker : workers) worker.join();
  }
  void start(int used) {
    epoch.store(((epoch.load(std::memory_order_relaxed) / kUsedRange + 1) * kUsedRange) |
                static_cast<std::uint32_t>(used));
    if (epoch_sleepers.load() != 0) futex_wake(epoch);
  }

  void work(int thread) {
    const FloatEnvironment environment;
    std::uint32_t seen = 0;
    for (;;) {
      seen = wait_while_equal(epoch, seen, epoch_sleepers);
      if (thread >= static_cast<int>(seen % kUsedRange)) continue;
      if (body == nullptr) return;
      body(context, thread);
      if (running.fetch_sub(1) == 1 && running_sleepers.load() != 0) futex_wake(running);
    }
  }

  void run(int used, Body region, void* argument) {
    body = region;
    context = argument;
    running.store(static_cast<std::uint32_t>(used - 1), std::memory_order_relaxed);
    start(used);
    region(argument, 0);
    std::uint32_t left = running.load(std::memory_order_acquire);
    while (left != 0) left = wait_while_equal(running, left, running_sleepers);
  }
};

Threads::Threads(int count) : count_(count) {
  if (count < 1 || count > kMostThreads) {
    throw Error(ErrorCode::kInvalidArgument, "threads: found " + std::to_string(count) +
                                                 ", expected 1 to " + std::to_string(kMostThreads));
  }
}

Threads::~Threads() {
  // In a forked child the workers do not exist; their handles can be neither joined nor destroyed.
  if (pool_ != nullptr && pool_->mark.forked()) static_cast<void>(pool_.release());
}

void Threads::run(int used, Body body, void* context) {
  if (pool_ == nullptr || pool_->mark.forked()) {
    static_cast<void>(pool_.release());  // null, or the parent's: its workers do not exist here
    pool_ = std::make_unique<Pool>(count_);
  }
  pool_->run(used, body, context);
}

const char* threads_provider() { return "pool"; }

}  // namespace linnet
