// Threads inside processes that do other things, too: forks, pools of their own, limits, an end.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/core/parallel.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

// What an OpenMP pool does after a fork, when idle and at its end is the affair of its host.
#define LINNET_NEEDS_OWN_POOL() \
  if (std::string(threads_provider()) != "pool") GTEST_SKIP() << "built with " << threads_provider()

std::int64_t sum(Threads& threads, std::int64_t n = 30) {
  std::atomic<std::int64_t> total{0};
  parallel_for(threads, n, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) total += i;
  });
  return total;
}

int threads_of_process() {
  int n = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    n += entry.is_directory() ? 1 : 0;
  }
  return n;
}

// An ended thread is joined a moment before the kernel takes it off the list.
bool comes_down_to(int expected) {
  for (int i = 0; i < 2000 && threads_of_process() > expected; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return threads_of_process() <= expected;
}

// Runs `check` in a forked child; a child that hangs is ended by its alarm.
template <class F>
bool true_in_child(F&& check) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(check() ? 0 : 1);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

TEST(ParallelFork, AChildGetsItsOwnWorkers) {
  LINNET_NEEDS_OWN_POOL();
  Threads threads(3);
  ASSERT_EQ(sum(threads), 435);
  EXPECT_TRUE(true_in_child([&] {
    const bool once = sum(threads) == 435 && sum(threads) == 435 && threads_of_process() == 3;
    // And a child of the child.
    return once && true_in_child([&] { return sum(threads) == 435; }) && sum(threads) == 435;
  }));
  EXPECT_EQ(sum(threads), 435);
}

TEST(ParallelFork, AChildMayDestroyWhatItInherited) {
  LINNET_NEEDS_OWN_POOL();
  auto used = std::make_unique<Threads>(3), unused = std::make_unique<Threads>(3);
  ASSERT_EQ(sum(*used), 435);
  EXPECT_TRUE(true_in_child([&] {
    used.reset();
    unused.reset();
    Threads fresh(2);
    return sum(fresh) == 435;
  }));
}

// The child leaves by exit, which runs the handlers that end workers: the parent's are not its.
TEST(ParallelFork, AChildMayExitWithHandlers) {
  LINNET_NEEDS_OWN_POOL();
  Threads threads(3);
  ASSERT_EQ(sum(threads), 435);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);
    exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// A host with many threads forks in one of them while sessions are at work in others.
TEST(ParallelFork, WhileRegionsRunInOtherThreads) {
  LINNET_NEEDS_OWN_POOL();
#ifdef LINNET_SANITIZED
  GTEST_SKIP() << "a fork may find the sanitizers' own locks taken by another thread";
#endif
  std::atomic<bool> end{false};
  std::vector<std::unique_ptr<Threads>> all;
  std::vector<std::thread> hosts;
  for (int i = 0; i < 2; ++i) {
    all.push_back(std::make_unique<Threads>(2));
    hosts.emplace_back([&end, threads = all.back().get()] {
      while (!end) {
        EXPECT_EQ(sum(*threads), 435);
        Threads brief(2);  // the list of pools changes all the time, too
        EXPECT_EQ(sum(brief), 435);
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(true_in_child([] {
      Threads fresh(2);
      return sum(fresh) == 435;
    }));
  }
  end = true;
  for (std::thread& host : hosts) host.join();
}

// The region that is open when the process forks ends in the parent, and the child starts anew.
TEST(ParallelFork, DuringARegionOfTheSameThreads) {
  LINNET_NEEDS_OWN_POOL();
  Threads threads(2);
  std::atomic<int> inside{0};
  std::atomic<bool> go_on{false};
  std::thread host([&] {
    parallel_for(threads, 2, 1, [&](std::int64_t, std::int64_t, int) {
      ++inside;
      while (!go_on) std::this_thread::yield();
    });
  });
  while (inside != 2) std::this_thread::yield();
  EXPECT_TRUE(true_in_child([&] { return sum(threads) == 435 && threads_of_process() == 2; }));
  go_on = true;
  host.join();
  EXPECT_EQ(sum(threads), 435);
}

TEST(ParallelHost, NestedRegionsRunOnTheirCaller) {
  Threads threads(3), other(2);
  std::atomic<std::int64_t> total{0};
  parallel_for(threads, 3, 1, [&](std::int64_t, std::int64_t, int) {
    const auto caller = std::this_thread::get_id();
    parallel_for(threads, 4, 1, [&](std::int64_t begin, std::int64_t end, int) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      total += end - begin;
    });
  });
  EXPECT_EQ(total, 12);
  // Of other threads: any way is right, if all of it is done.
  parallel_for(threads, 1, 1, [&](std::int64_t, std::int64_t, int) { total += sum(other); });
  EXPECT_EQ(total, 12 + 435);
  EXPECT_EQ(sum(threads), 435);
}

TEST(ParallelHost, SeveralHostThreadsWithOneEach) {
  std::vector<std::thread> hosts;
  for (int i = 0; i < 4; ++i) {
    hosts.emplace_back([i] {
      Threads threads(1 + i);
      for (int repeat = 0; repeat < 200; ++repeat)
        ASSERT_EQ(sum(threads, 100 + i), (100 + i) * (99 + i) / 2);
    });
  }
  for (std::thread& host : hosts) host.join();
}

TEST(ParallelHost, CalledFromDifferentThreadsInTurn) {
  Threads threads(2);
  ASSERT_EQ(sum(threads), 435);
  for (int i = 0; i < 50; ++i) {
    std::thread([&] { EXPECT_EQ(sum(threads), 435); }).join();  // the caller before has ended
  }
  std::mutex turn;  // a host's pool that takes turns
  std::vector<std::thread> hosts;
  for (int i = 0; i < 3; ++i) {
    hosts.emplace_back([&] {
      for (int repeat = 0; repeat < 100; ++repeat) {
        const std::lock_guard lock(turn);
        ASSERT_EQ(sum(threads), 435);
      }
    });
  }
  for (std::thread& host : hosts) host.join();
}

TEST(ParallelHost, WorkersLeaveSignalsToTheHost) {
  LINNET_NEEDS_OWN_POOL();
  Threads threads(2);
  sigset_t mine, worker;
  sigemptyset(&worker);
  parallel_for(threads, 2, 1, [&](std::int64_t, std::int64_t, int thread) {
    if (thread == 1) pthread_sigmask(SIG_SETMASK, nullptr, &worker);
  });
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  for (const int signal : {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGUSR1}) {
    EXPECT_TRUE(sigismember(&worker, signal)) << signal;
    EXPECT_FALSE(sigismember(&mine, signal)) << signal;
  }
  EXPECT_FALSE(sigismember(&worker, SIGSEGV));
}

TEST(ParallelHost, NoThreadIsLeftWhenTheLastIsGone) {
  LINNET_NEEDS_OWN_POOL();
  const int before = threads_of_process();
  for (int repeat = 0; repeat < 20; ++repeat) {
    Threads idle(8);  // never used: nothing is started
    EXPECT_EQ(threads_of_process(), before);
    Threads one(4), two(3);
    ASSERT_EQ(sum(one), 435);
    ASSERT_EQ(sum(two), 435);
    EXPECT_EQ(threads_of_process(), before + 3 + 2);
    if (repeat % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // asleep
    if (HasFailure()) break;
    // Both are destroyed here, asleep or still waiting actively.
    std::optional<Threads> gone(std::in_place, 2);
    ASSERT_EQ(sum(*gone), 435);
    gone.reset();
    EXPECT_TRUE(comes_down_to(before + 3 + 2));
  }
  EXPECT_TRUE(comes_down_to(before));
}

// A child with no address space left for a stack: pthread_create answers EAGAIN.
TEST(ParallelHost, RefusedWorkersAreAClearErrorAndTheNextRegionTriesAgain) {
  LINNET_NEEDS_OWN_POOL();
#ifdef LINNET_SANITIZED
  GTEST_SKIP() << "sanitizers need the address space that this test takes away";
#endif
  EXPECT_TRUE(true_in_child([] {
    std::ifstream file("/proc/self/statm");
    rlim_t pages = 0;
    file >> pages;
    rlimit before{};
    getrlimit(RLIMIT_AS, &before);
    // Room for some stacks of 8 MB, not for 40: the refusal comes in the middle.
    const rlimit little{pages * 4096 + (100u << 20), before.rlim_max};
    Threads threads(40);
    setrlimit(RLIMIT_AS, &little);
    bool refused = false;
    try {
      static_cast<void>(sum(threads, 400));
    } catch (const Error& error) {
      refused = error.code() == ErrorCode::kLimit &&
                std::string(error.what()).find("40") != std::string::npos;
    }
    const bool none_left = comes_down_to(1);
    setrlimit(RLIMIT_AS, &before);
    return refused && none_left && sum(threads, 400) == 79800;
  }));
}

// 300 ms after work. Workers that waited actively would use 900 ms, and the bound leaves room for a
// machine that is busy: sleeping threads are not charged for it.
TEST(ParallelHost, AnIdleProcessUsesNoCpu) {
  LINNET_NEEDS_OWN_POOL();
  Threads one(2), two(3);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(sum(one) + sum(two), 870);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto cpu_ms = [] {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
  };
  const double before = cpu_ms();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(cpu_ms() - before, 60);
  EXPECT_EQ(sum(one) + sum(two), 870);
}

}  // namespace
}  // namespace linnet
