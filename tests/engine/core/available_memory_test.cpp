#include "engine/core/available_memory.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace linnet {
namespace {

class CgroupMemory : public testing::Test {
 protected:
  static constexpr std::int64_t kMost = 1'000'000;
  test::TempDir dir_;

  void group(const std::string& path, const std::string& limit, const std::string& usage,
             const std::string& stat = "anon 1\ninactive_file 0\n") {
    std::filesystem::create_directories(dir_.path(path));
    dir_.write(path + "/memory.max", limit + "\n");
    dir_.write(path + "/memory.current", usage + "\n");
    dir_.write(path + "/memory.stat", stat);
  }
  std::int64_t of(const std::string& membership) {
    return cgroup_memory(membership, dir_.path("mount"), kMost);
  }
};

TEST_F(CgroupMemory, TheSmallestGroupUpwardsWins) {
  group("mount/a/b", "5000", "1000");
  EXPECT_EQ(of("0::/a/b\n"), 4000);
  group("mount/a", "4000", "1500");
  EXPECT_EQ(of("0::/a/b\n"), 2500);
  group("mount/a", "max", "1500");
  EXPECT_EQ(of("0::/a/b\n"), 4000);
  group("mount/a/b", "5000", "6000");
  EXPECT_EQ(of("0::/a/b\n"), 0);
}

TEST_F(CgroupMemory, PagesOfFilesAreFree) {
  group("mount/a", "5000", "4500", "anon 400\nfile 4100\ninactive_file 4000\nactive_file 100\n");
  EXPECT_EQ(of("0::/a\n"), 4500);
}

TEST_F(CgroupMemory, VersionOne) {
  std::filesystem::create_directories(dir_.path("mount/memory/x"));
  dir_.write("mount/memory/x/memory.limit_in_bytes", "3000\n");
  dir_.write("mount/memory/x/memory.usage_in_bytes", "1000\n");
  EXPECT_EQ(of("4:memory:/x\n3:cpu:/x\n"), 2000);
  EXPECT_EQ(of("3:cpu:/x\n"), kMost);
}

TEST_F(CgroupMemory, WhatCannotBeReadLimitsNothing) {
  EXPECT_EQ(of("0::/none\n"), kMost);
  EXPECT_EQ(of("junk\n"), kMost);
  EXPECT_EQ(of(""), kMost);
}

TEST(AvailableMemory, IsMoreThanNothing) {
  EXPECT_GT(available_memory(), 1 << 20);
  EXPECT_LT(available_memory(), std::int64_t{1} << 50);
}

}  // namespace
}  // namespace linnet
