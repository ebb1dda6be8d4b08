// The default threads: a pool of our own. A region is one store of an epoch and one look at the
// answer of each worker; who waits spins for a while, then sleeps on a futex.
#include <immintrin.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <mutex>
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
  // Without pauses at first, for regions that follow each other at once: a pause takes up to 35 ns,
  // and half of one is lost in the mean.
  for (int i = 0; i < 128; ++i) {
    const std::uint32_t value = word.load(std::memory_order_acquire);
    if (value != seen) return value;
  }
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

// While it lives, new threads start with signals blocked: a host's handlers run in its own threads,
// not in ours. Faults stay with the thread that commits them.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

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
  // What the caller tells the workers, on one cache line, so that one transfer brings all of it. A
  // new epoch starts a region: its low 12 bits are how many threads take part, the rest counts. A
  // worker beyond that number reads nothing else, so nobody waits for it.
  struct alignas(64) Command {
    std::atomic<std::uint32_t> epoch{0};
    std::atomic<std::uint32_t> sleepers{0};
    Body body = nullptr;  // null: the workers end
    void* context = nullptr;
  };
  // What one worker answers, on a cache line of its own: the last epoch that it has finished.
  struct alignas(64) Answer {
    std::atomic<std::uint32_t> epoch{0};
    std::atomic<std::uint32_t> sleepers{0};
  };
  Command command;
  std::vector<Answer> answers;
  // Taken by the region that runs, and for ever once the workers have ended.
  alignas(64) std::atomic<bool> busy{false};
  std::vector<std::thread> workers;
  ForkMark mark;
  Pool* next = nullptr;  // in the list of all pools
  Pool** previous = nullptr;

  explicit Pool(int count) : answers(static_cast<std::size_t>(count)) {
    workers.reserve(static_cast<std::size_t>(count - 1));
    try {
      const SignalsBlocked blocked;
      for (int t = 1; t < count; ++t) {
        workers.emplace_back([this, t] { work(t); });
      }
    } catch (const std::system_error&) {
      stop();
      throw Error(ErrorCode::kLimit,
                  "threads: the system refuses to start " + std::to_string(count) + " of them");
    }
    enlist();
  }
  ~Pool() {
    {
      const std::lock_guard lock(list_mutex);
      *previous = next;
      if (next != nullptr) next->previous = previous;
    }
    stop();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void stop() {
    command.body = nullptr;
    start(kMostThreads);
    for (std::thread& worker : workers) worker.join();
    workers.clear();
  }
  std::uint32_t start(int used) {
    const std::uint32_t last = command.epoch.load(std::memory_order_relaxed) / kUsedRange;
    const std::uint32_t epoch = ((last + 1) * kUsedRange) | static_cast<std::uint32_t>(used);
    command.epoch.store(epoch);
    if (command.sleepers.load() != 0) futex_wake(command.epoch);
    return epoch;
  }

  void work(int thread) {
    prctl(PR_SET_NAME, "linnet");
    const FloatEnvironment environment;
    Answer& answer = answers[static_cast<std::size_t>(thread)];
    std::uint32_t seen = 0;
    for (;;) {
      seen = wait_while_equal(command.epoch, seen, command.sleepers);
      if (thread >= static_cast<int>(seen % kUsedRange)) continue;
      if (command.body == nullptr) return;
      command.body(command.context, thread);
      answer.epoch.store(seen);
      if (answer.sleepers.load() != 0) futex_wake(answer.epoch);
    }
  }

  void run(int used, Body region, void* argument) {
    command.body = region;
    command.context = argument;
    const std::uint32_t epoch = start(used);
    region(argument, 0);
    for (int t = 1; t < used; ++t) {
      Answer& answer = answers[static_cast<std::size_t>(t)];
      std::uint32_t seen = answer.epoch.load(std::memory_order_acquire);
      while (seen != epoch) seen = wait_while_equal(answer.epoch, seen, answer.sleepers);
    }
  }

  // The one thing that is not owned by a session: the list of pools, so that their workers end
  // before the code that they run is unmapped, even where a host has forgotten a session. All of it
  // needs neither constructor nor destructor: sessions may come before it and go after it.
  static std::mutex list_mutex;
  static Pool* list;

  void enlist() {
    static std::once_flag once;
    std::call_once(once, [] {
      // A fork never finds the list half changed. Both registrations end with the library.
      pthread_atfork([] { list_mutex.lock(); }, [] { list_mutex.unlock(); },
                     [] { list_mutex.unlock(); });
      std::atexit(stop_all);  // in a library: when it is unloaded
    });
    const std::lock_guard lock(list_mutex);
    next = list;
    if (next != nullptr) next->previous = &next;
    previous = &list;
    list = this;
  }
  static void stop_all() {
    const std::lock_guard lock(list_mutex);
    for (Pool* pool = list; pool != nullptr; pool = pool->next) {
      // Of a parent, or still at work in another thread of a process that exits: left alone.
      if (pool->mark.forked() || pool->busy.exchange(true)) continue;
      pool->stop();
    }
  }
};

constinit std::mutex Threads::Pool::list_mutex;
constinit Threads::Pool* Threads::Pool::list = nullptr;

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
  if (pool_->busy.exchange(true, std::memory_order_acquire)) {
    for (int t = 0; t < used; ++t) body(context, t);
    return;
  }
  pool_->run(used, body, context);
  pool_->busy.store(false, std::memory_order_release);
}

const char* threads_provider() { return "pool"; }

}  // namespace linnet
