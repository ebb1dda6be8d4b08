#include "weights/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/support/child.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace linnet::weights {
namespace {

namespace fs = std::filesystem;
using test::deny_system_call;
using test::in_child;
using test::TempDir;

auto writes(std::string_view content) {
  return [content](OutputFile& file) { file.write(content); };
}

// In a child: what write_file says, 0 for nothing.
int code_of(const std::string& path, std::string_view content) {
  try {
    write_file(path, writes(content));
  } catch (const Error& e) {
    return 10 + static_cast<int>(e.code());
  }
  return 0;
}
constexpr int kIoStatus = (10 + static_cast<int>(ErrorCode::kIo)) << 8;

TEST(WriteFile, CreatesAndReplaces) {
  const TempDir t;
  write_file(t.path("f"), writes("first"));
  EXPECT_EQ(t.read("f"), "first");
  write_file(t.path("f"), [](OutputFile& file) {
    file.write("se");
    file.write("cond", 4);
    file.write("");
  });
  EXPECT_EQ(t.read("f"), "second");
  write_file(t.path("empty"), [](OutputFile&) {});
  EXPECT_EQ(t.read("empty"), "");
  EXPECT_EQ(t.entries(), 2);
}

TEST(WriteFile, ReplacesLinksAndNotWhatTheyLeadTo) {
  const TempDir t;
  t.write("target", "kept");
  fs::create_symlink("target", t.path("link"));
  fs::create_symlink("none", t.path("dangling"));
  write_file(t.path("link"), writes("new"));
  write_file(t.path("dangling"), writes("new"));
  EXPECT_EQ(t.read("target"), "kept");
  EXPECT_FALSE(fs::is_symlink(t.path("link")));
  EXPECT_EQ(t.read("dangling"), "new");
}

TEST(WriteFile, LeavesTheOldFileWhenTheContentFails) {
  const TempDir t;
  t.write("f", "old");
  EXPECT_THROW(write_file(t.path("f"),
                          [](OutputFile& file) {
                            file.write("half");
                            throw Error(ErrorCode::kCancelled, "stop");
                          }),
               Error);
  EXPECT_EQ(t.read("f"), "old");
  EXPECT_EQ(t.entries(), 1);
}

TEST(WriteFile, LeavesTheOldFileWhenAnyCallFails) {
  struct {
    long call;
    int error;
  } const cases[] = {{SYS_write, ENOSPC}, {SYS_write, EIO},    {SYS_fsync, EIO},
                     {SYS_close, EIO},    {SYS_rename, EXDEV}, {SYS_openat, EMFILE}};
  for (const auto& c : cases) {
    const TempDir t;
    t.write("f", "old");
    const int status = in_child(
        [&] { return deny_system_call(c.call, c.error) ? code_of(t.path("f"), "new") : 1; });
    if (status == 1 << 8) GTEST_SKIP() << "seccomp is not allowed here";
    EXPECT_EQ(status, kIoStatus) << c.call;
    EXPECT_EQ(t.read("f"), "old") << c.call;
    EXPECT_EQ(t.entries(), 1) << c.call;
  }
}

// A limit that is reached inside a write: part of it goes through.
TEST(WriteFile, LeavesTheOldFileWhenTheDiskIsFull) {
  const TempDir t;
  t.write("f", "old");
  const int status = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit small{100'000, 100'000};
    setrlimit(RLIMIT_FSIZE, &small);
    return code_of(t.path("f"), std::string(1'000'000, 'x'));
  });
  EXPECT_EQ(status, kIoStatus);
  EXPECT_EQ(t.read("f"), "old");
  EXPECT_EQ(t.entries(), 1);
}

// Wherever it is killed, there is the old file or the new one.
TEST(WriteFile, SurvivesBeingKilled) {
  for (const long call : {SYS_openat, SYS_write, SYS_fsync, SYS_close, SYS_rename}) {
    const TempDir t;
    t.write("f", "old");
    const int status =
        in_child([&] { return deny_system_call(call, 0) ? code_of(t.path("f"), "new") : 1; });
    if (status == 1 << 8) GTEST_SKIP() << "seccomp is not allowed here";
    EXPECT_TRUE(WIFSIGNALED(status)) << call;
    EXPECT_EQ(t.read("f"), "old") << call;
    write_file(t.path("f"), writes("new"));  // what is left over does not stand in the way
    EXPECT_EQ(t.read("f"), "new");
  }
}

TEST(WriteFile, TakesTheNameOfALeftOverTemporary) {
  const TempDir t;
  t.write("secret", "kept");
  const std::string temporary = t.path("f") + ".tmp." + std::to_string(getpid());
  fs::create_symlink("secret", temporary);
  write_file(t.path("f"), writes("new"));
  EXPECT_EQ(t.read("f"), "new");
  EXPECT_EQ(t.read("secret"), "kept");
  ASSERT_EQ(mkfifo(temporary.c_str(), 0644), 0);  // opening it would wait for a reader
  write_file(t.path("f"), writes("newer"));
  EXPECT_EQ(t.read("f"), "newer");
}

TEST(WriteFile, WritesToDevicesAndPipes) {
  const TempDir t;
  // By way of links, so that a mistake replaces these and not the devices of the machine.
  fs::create_symlink("/dev/null", t.path("null"));
  fs::create_symlink("/dev/full", t.path("full"));
  write_file(t.path("null"), writes("gone"));
  EXPECT_TRUE(fs::is_symlink(t.path("null")));
  EXPECT_EQ(test::error_of(ErrorCode::kIo, [&] { write_file(t.path("full"), writes("x")); }),
            t.path("full") + ": cannot write: No space left on device");
  EXPECT_TRUE(fs::is_symlink(t.path("full")));
  ASSERT_EQ(mkfifo(t.path("fifo").c_str(), 0644), 0);
  const int reader = open(t.path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  write_file(t.path("fifo"), writes("through"));
  char got[16] = {};
  EXPECT_EQ(read(reader, got, sizeof got), 7);
  EXPECT_STREQ(got, "through");
  close(reader);
}

TEST(WriteFile, SaysWhyItCannot) {
  const TempDir t;
  t.write("file", "");
  const auto error = [&](const std::string& path, ErrorCode code = ErrorCode::kIo) {
    return test::error_of(code, [&] { write_file(path, writes("x")); });
  };
  EXPECT_EQ(error(t.path().string(), ErrorCode::kInvalidArgument),
            t.path().string() + ": is a directory");
  EXPECT_EQ(error(t.path("no/f")), t.path("no/f") + ": cannot create: No such file or directory");
  EXPECT_EQ(error(t.path("file/f")), t.path("file/f") + ": cannot create: Not a directory");
  EXPECT_NE(error(t.path(std::string(255, 'x'))).find("cannot create: File name too long"),
            std::string::npos);
  EXPECT_NE(error(t.path("no\x1b[2J/f")).find(R"(no\u{001b}[2J/f: cannot)"), std::string::npos);
}

}  // namespace
}  // namespace linnet::weights
