#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <string>

#include "tests/support/child.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"
#include "weights/output.h"

namespace linnet::weights {
namespace {

namespace fs = std::filesystem;
using test::deny_system_call;
using test::in_child;
using test::TempDir;

void fill(const OutputDirectory& d, const std::string& content) {
  write_file(d.temporary_path() + "/a", [&](OutputFile& f) { f.write(content); });
  fs::create_directory(d.temporary_path() + "/sub");
  std::ofstream(d.temporary_path() + "/sub/b") << content;
}
void save(const std::string& path, const std::string& content, Existing existing) {
  OutputDirectory d(path, existing);
  fill(d, content);
  d.commit();
}
// "old" or "new" when both files are there and say so.
std::string state(const TempDir& t) {
  const std::string a = t.read("out/a"), b = t.read("out/sub/b");
  return a == b ? a : "torn";
}

TEST(OutputDirectory, AppearsWholeOrNotAtAll) {
  const TempDir t;
  {
    OutputDirectory d(t.path("out"), Existing::kRefuse);
    EXPECT_EQ(d.temporary_path(), t.path("out") + ".tmp." + std::to_string(getpid()));
    fill(d, "new");
    EXPECT_FALSE(fs::exists(t.path("out")));
    d.commit();
  }
  EXPECT_EQ(state(t), "new");
  EXPECT_EQ(t.entries(), 1);
  struct stat info {};
  ASSERT_EQ(stat(t.path("out").c_str(), &info), 0);
  const mode_t mask = umask(0);
  umask(mask);
  EXPECT_EQ(info.st_mode & 0777, 0755 & ~mask);
}

TEST(OutputDirectory, RemovesWhatTheDeadHaveLeft) {
  const TempDir t;
  const pid_t dead = fork();
  if (dead == 0) _exit(0);
  ASSERT_EQ(waitpid(dead, nullptr, 0), dead);
  t.write("out.tmp." + std::to_string(dead) + "/a", "left over");
  t.write("out.tmp." + std::to_string(getppid()) + "/a", "of a live process");
  t.write("out.tmp.x/a", "of somebody else");
  t.write("other.tmp." + std::to_string(dead) + "/a", "of another directory");
  save(t.path("out"), "new", Existing::kRefuse);
  EXPECT_EQ(state(t), "new");
  EXPECT_FALSE(fs::exists(t.path("out.tmp." + std::to_string(dead))));
  EXPECT_EQ(t.entries(), 4);
}

TEST(OutputDirectory, IsGoneWithoutCommit) {
  const TempDir t;
  {
    OutputDirectory d(t.path("out"), Existing::kRefuse);
    fill(d, "new");
  }
  EXPECT_EQ(t.entries(), 0);
}

TEST(OutputDirectory, RefusesAnExistingOne) {
  const TempDir t;
  save(t.path("out"), "old", Existing::kRefuse);
  const auto refused = [&](const std::string& path) {
    return test::error_of(ErrorCode::kInvalidArgument,
                          [&] { OutputDirectory d(path, Existing::kRefuse); });
  };
  EXPECT_EQ(refused(t.path("out")), t.path("out") + ": exists, and is not to be overwritten");
  refused(t.path("out/"));
  t.write("file", "");
  refused(t.path("file"));
  fs::create_symlink("none", t.path("dangling"));
  refused(t.path("dangling"));
  // One that appears while ours is being written.
  OutputDirectory late(t.path("late"), Existing::kRefuse);
  fs::create_directory(t.path("late"));
  EXPECT_THROW(late.commit(), Error);
  EXPECT_EQ(state(t), "old");
}

TEST(OutputDirectory, ReplacesAnExistingOne) {
  const TempDir t;
  save(t.path("out"), "old", Existing::kReplace);
  t.write("out/extra", "of the old one");
  save(t.path("out///"), "new", Existing::kReplace);
  EXPECT_EQ(state(t), "new");
  EXPECT_FALSE(fs::exists(t.path("out/extra")));
  EXPECT_EQ(t.entries(), 1);
}

TEST(OutputDirectory, ReplacesALinkAndNotWhatItLeadsTo) {
  const TempDir t;
  t.write("target/kept", "kept");
  fs::create_symlink("target", t.path("out"));
  save(t.path("out"), "new", Existing::kReplace);
  EXPECT_EQ(state(t), "new");
  EXPECT_FALSE(fs::is_symlink(t.path("out")));
  EXPECT_EQ(t.read("target/kept"), "kept");
}

TEST(OutputDirectory, RemovesWhatAnEarlierProcessLeft) {
  const TempDir t;
  t.write("out.tmp." + std::to_string(getpid()) + "/a/stale", "");
  save(t.path("out"), "new", Existing::kRefuse);
  EXPECT_EQ(t.entries(), 1);
  EXPECT_FALSE(fs::exists(t.path("out/a/stale")));
}

TEST(OutputDirectory, RefusesPathsWithoutAName) {
  for (const char* path : {"", ".", "..", "/", "x/.", "x/.."}) {
    test::error_of(ErrorCode::kInvalidArgument,
                   [&] { OutputDirectory d(path, Existing::kReplace); });
  }
  EXPECT_NE(test::error_of(ErrorCode::kIo,
                           [] { OutputDirectory d("/proc/nowhere/x", Existing::kReplace); })
                .find("/proc/nowhere/x: cannot create: No such file"),
            std::string::npos);
}

// In a child: replaces "old" by "new" while a system call fails; 0 when that went through.
int replace_without(const TempDir& t, long call, int error) {
  return in_child([&] {
    if (!deny_system_call(call, error)) return 1;
    try {
      save(t.path("out"), "new", Existing::kReplace);
    } catch (const Error& e) {
      return 10 + static_cast<int>(e.code());
    }
    return 0;
  });
}

TEST(OutputDirectory, KeepsTheOldOneWhenAnyCallFails) {
  for (const long call : {SYS_mkdir, SYS_openat, SYS_write, SYS_fsync, SYS_rename, SYS_renameat2}) {
    const TempDir t;
    save(t.path("out"), "old", Existing::kRefuse);
    const int status = replace_without(t, call, EIO);
    if (status == 1 << 8) GTEST_SKIP() << "seccomp is not allowed here";
    EXPECT_EQ(status, (10 + static_cast<int>(ErrorCode::kIo)) << 8) << call;
    EXPECT_EQ(state(t), "old") << call;
    // With openat gone, nothing can be listed and removed.
    EXPECT_EQ(t.entries(), call == SYS_openat ? 2 : 1) << call;
  }
}

// As on network file systems.
TEST(OutputDirectory, ReplacesWithoutExchange) {
  const TempDir t;
  save(t.path("out"), "old", Existing::kRefuse);
  const int status = replace_without(t, SYS_renameat2, EINVAL);
  if (status == 1 << 8) GTEST_SKIP() << "seccomp is not allowed here";
  EXPECT_EQ(status, 0);
  EXPECT_EQ(state(t), "new");
  EXPECT_EQ(t.entries(), 1);
}

TEST(OutputDirectory, SurvivesBeingKilled) {
  for (const long call : {SYS_mkdir, SYS_openat, SYS_write, SYS_fsync, SYS_rename, SYS_renameat2,
                          SYS_unlinkat, SYS_exit_group}) {
    const TempDir t;
    save(t.path("out"), "old", Existing::kRefuse);
    const int status = replace_without(t, call, 0);
    if (status == 1 << 8) GTEST_SKIP() << "seccomp is not allowed here";
    ASSERT_TRUE(WIFSIGNALED(status)) << call;
    // Before the exchange the old one, after it the new one, whole; what is left over is beside it.
    const bool exchanged = call == SYS_unlinkat || call == SYS_exit_group;
    EXPECT_EQ(state(t), exchanged ? "new" : "old") << call;
    save(t.path("out"), "next", Existing::kReplace);
    EXPECT_EQ(state(t), "next");
  }
}

TEST(OutputDirectory, SurvivesBeingKilledBetweenFiles) {
  for (const int files : {0, 1, 3}) {
    const TempDir t;
    save(t.path("out"), "old", Existing::kRefuse);
    const int status = in_child([&] {
      OutputDirectory d(t.path("out"), Existing::kReplace);
      fill(d, "new");
      for (int i = 0; i < files; ++i) {
        write_file(d.temporary_path() + "/f" + std::to_string(i), [&](OutputFile& f) {
          f.write("half");
          if (i == files - 1) raise(SIGKILL);
          f.write("half");
        });
      }
      raise(SIGKILL);
      return 0;
    });
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(state(t), "old");
  }
}

}  // namespace
}  // namespace linnet::weights
