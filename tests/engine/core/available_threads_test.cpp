#include "engine/core/available_threads.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <string>
#include <string_view>

#include "engine/core/parallel.h"
#include "tests/support/temp_dir.h"

namespace linnet {
namespace {

class Cgroup : public testing::Test {
 protected:
  void write(std::string_view path, std::string_view text) { root_.write(path, text); }
  int cpus(const std::string& membership, int otherwise = 64) {
    return cgroup_cpus(membership, root_.path().string(), otherwise);
  }

 private:
  test::TempDir root_;
};

TEST_F(Cgroup, Version2RoundsTheQuotaUp) {
  struct Case {
    const char* file;
    int cpus;
  };
  for (const Case c :
       {Case{"max 100000\n", 64}, Case{"100000 100000\n", 1}, Case{"150000 100000\n", 2},
        Case{"200000 100000\n", 2}, Case{"200001 100000\n", 3}, Case{"1000 100000\n", 1},
        Case{"25000 10000\n", 3}, Case{"9000000000000000000 100000\n", 64}, Case{"0 100000\n", 64},
        Case{"100000 0\n", 64}, Case{"", 64}, Case{"-5 100000\n", 64}, Case{"200000\n", 64}}) {
    write("a/b/cpu.max", c.file);
    EXPECT_EQ(cpus("0::/a/b\n"), c.cpus) << c.file;
  }
}

TEST_F(Cgroup, TheSmallestLimitOnTheWayUpWins) {
  write("cpu.max", "700000 100000\n");
  write("a/cpu.max", "300000 100000\n");
  write("a/b/cpu.max", "500000 100000\n");
  EXPECT_EQ(cpus("0::/a/b\n"), 3);
  EXPECT_EQ(cpus("0::/a\n"), 3);
  EXPECT_EQ(cpus("0::/\n"), 7);
  EXPECT_EQ(cpus("0::/a/b\n", 2), 2);  // the affinity mask is smaller
  EXPECT_EQ(cpus("0::/not/seen/here\n"), 7);
}

TEST_F(Cgroup, Version1) {
  write("cpu,cpuacct/box/cpu.cfs_quota_us", "150000\n");
  write("cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
  write("cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpus("12:memory:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/box\n"), 2);
  EXPECT_EQ(cpus("4:cpu,cpuacct:/\n"), 64);
  EXPECT_EQ(cpus("4:cpuset:/box\n5:cpuacct:/box\n"), 64);  // not the controller that limits
}

TEST_F(Cgroup, Version1UnderTheNameOfTheControllerAlone) {
  write("cpu/box/cpu.cfs_quota_us", "300000\n");
  write("cpu/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpus("4:cpuacct,cpu:/box/inner\n"), 3);
}

// A container sees its own group at the root of the mount, under whatever path the host knows it.
TEST_F(Cgroup, InsideAContainer) {
  write("cpu/cpu.cfs_quota_us", "250000\n");
  write("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpus("4:cpu:/docker/0123abcd\n0::/docker/0123abcd\n"), 3);
}

TEST_F(Cgroup, NothingKnownLimitsNothing) {
  EXPECT_EQ(cpus("0::/a\n4:cpu:/a\n"), 64);
  EXPECT_EQ(cpus(""), 64);
  EXPECT_EQ(cpus("no colons\nonly:one\n:::\n"), 64);
}

class Affinity : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(sched_getaffinity(0, sizeof all_, &all_), 0);
    int first = 0;
    while (!CPU_ISSET(first, &all_)) ++first;
    CPU_ZERO(&one_);
    CPU_SET(first, &one_);
  }
  void TearDown() override { EXPECT_EQ(sched_setaffinity(0, sizeof all_, &all_), 0); }

  cpu_set_t all_, one_;
};

TEST_F(Affinity, LimitsTheThreadsFromTheNextCallOn) {
  const int before = available_threads();
  EXPECT_GE(before, 1);
  EXPECT_LE(before, CPU_COUNT(&all_));
  ASSERT_EQ(sched_setaffinity(0, sizeof one_, &one_), 0);
  EXPECT_EQ(available_threads(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof all_, &all_), 0);
  EXPECT_EQ(available_threads(), before);
}

// Workers start with the first region and run where the thread that starts it may run: what a host
// does to its mask after it has made a session, but before it uses it, counts.
TEST_F(Affinity, WorkersKeepToTheMaskOfTheFirstRegion) {
  if (std::string(threads_provider()) != "pool")
    GTEST_SKIP() << "built with " << threads_provider();
  Threads threads(2);
  ASSERT_EQ(sched_setaffinity(0, sizeof one_, &one_), 0);
  cpu_set_t worker;
  CPU_ZERO(&worker);
  parallel_for(threads, 2, 1, [&](std::int64_t, std::int64_t, int thread) {
    if (thread == 1) sched_getaffinity(0, sizeof worker, &worker);
  });
  EXPECT_TRUE(CPU_EQUAL(&worker, &one_));
}

}  // namespace
}  // namespace linnet
