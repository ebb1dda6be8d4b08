#include "weights/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"
#include "weights/file_handle.h"

namespace linnet::weights {
namespace {

using test::TempDir;

MappedFile opened(const std::string& path, FileAccess access) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  try {
    MappedFile file(fd, "name", access);
    close(fd);
    return file;
  } catch (...) {
    close(fd);
    throw;
  }
}

std::string text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

class MappedFileTest : public testing::TestWithParam<FileAccess> {};
INSTANTIATE_TEST_SUITE_P(Access, MappedFileTest,
                         testing::Values(FileAccess::kMap, FileAccess::kRead),
                         [](const auto& access) {
                           return access.param == FileAccess::kMap ? "Map" : "Read";
                         });

TEST_P(MappedFileTest, HoldsTheBytesOfTheFile) {
  const TempDir t;
  for (const std::size_t size : {0u, 1u, 4095u, 4096u, 4097u, 1'000'003u}) {
    std::string content(size, '\0');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 7 % 251);
    t.write("file", content);
    const MappedFile file = opened(t.path("file"), GetParam());
    EXPECT_EQ(text(file), content);
    EXPECT_EQ(file.name(), "name");
  }
}

TEST_P(MappedFileTest, Moves) {
  const TempDir t;
  t.write("a", "first");
  t.write("b", "second");
  MappedFile a = opened(t.path("a"), GetParam());
  const std::byte* data = a.bytes().data();
  MappedFile b(std::move(a));
  EXPECT_EQ(b.bytes().data(), data);
  b = opened(t.path("b"), GetParam());
  EXPECT_EQ(text(b), "second");
  EXPECT_TRUE(MappedFile().bytes().empty());
}

// A file replaced by rename, or removed, stays whole for those who have it open.
TEST_P(MappedFileTest, OutlivesItsName) {
  const TempDir t;
  t.write("file", "old content");
  const MappedFile file = opened(t.path("file"), GetParam());
  t.write("new", "new");
  std::filesystem::rename(t.path("new"), t.path("file"));
  EXPECT_EQ(text(file), "old content");
  EXPECT_EQ(t.read("file"), "new");
  std::filesystem::remove(t.path("file"));
  EXPECT_EQ(text(file), "old content");
}

TEST_P(MappedFileTest, ReleasesAnyPartOfIt) {
  const TempDir t;
  std::string content(5 * 4096 + 17, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 13 % 249);
  t.write("file", content);
  const MappedFile file = opened(t.path("file"), GetParam());
  const auto bytes = file.bytes();
  for (const std::size_t from : {0u, 1u, 4095u, 4096u, 4097u, 20480u, 20497u}) {
    for (const std::size_t size : {0u, 1u, 4095u, 4096u, 8192u, 20497u}) {
      file.release(bytes.subspan(from, std::min(size, bytes.size() - from)));
    }
  }
  EXPECT_EQ(text(file), content);
}

// Only whole pages are let go: those that another tensor shares stay.
TEST(MappedFile, ReleasesWholePagesOnly) {
  const TempDir t;
  t.write("file", std::string(8 * 4096, 'x'));
  const MappedFile file = opened(t.path("file"), FileAccess::kMap);
  const auto resident = [&] {
    // What this process has mapped, not what the page cache holds.
    std::ifstream smaps("/proc/self/smaps");
    std::string line;
    char begin[32];
    std::snprintf(begin, sizeof begin, "%lx-",
                  reinterpret_cast<unsigned long>(file.bytes().data()));
    bool inside = false;
    while (std::getline(smaps, line)) {
      if (line.starts_with(begin)) inside = true;
      if (inside && line.starts_with("Rss:")) return std::atoi(line.c_str() + 4) / 4;
    }
    return -1;
  };
  std::size_t sum = 0;
  for (const std::byte b : file.bytes()) sum += static_cast<std::size_t>(b);
  EXPECT_EQ(sum, std::size_t{8 * 4096} * 'x');
  EXPECT_EQ(resident(), 8);
  file.release(file.bytes().subspan(4000, 2 * 4096));  // of three pages, the first two in part
  EXPECT_EQ(resident(), 7);
  file.release(file.bytes());
  EXPECT_EQ(resident(), 0);
}

// What happens when a file gets shorter between fstat and read.
TEST(MappedFile, NoticesAFileThatEndsEarly) {
  const TempDir t;
  t.write("file", "0123456789");
  const FileHandle file(open(t.path("file").c_str(), O_RDONLY | O_CLOEXEC));
  std::byte to[16];
  read_bytes(file.get(), "name", to, 2, 8);
  EXPECT_EQ(std::memcmp(to, "23456789", 8), 0);
  EXPECT_EQ(test::error_of(ErrorCode::kIo, [&] { read_bytes(file.get(), "name", to, 2, 9); }),
            "name: ended after 10 bytes, expected 11");
}

TEST(MappedFile, CopyDoesNotChangeWithTheFile) {
  const TempDir t;
  t.write("file", "0123456789");
  const MappedFile copy = opened(t.path("file"), FileAccess::kRead);
  std::filesystem::resize_file(t.path("file"), 4);
  EXPECT_EQ(text(copy), "0123456789");
}

TEST_P(MappedFileTest, SaysHowMuchMemoryIsMissing) {
  const TempDir t;
  t.write("file", "");
  std::filesystem::resize_file(t.path("file"), std::uintmax_t{1} << 30);
  const pid_t child = fork();  // whose address space may not grow
  if (child == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_AS, &none);
    try {
      opened(t.path("file"), GetParam());
    } catch (const Error& e) {
      const bool good =
          e.code() == ErrorCode::kLimit &&
          std::strcmp(e.what(), "name: needs 1024 MiB of memory: Cannot allocate memory") == 0;
      _exit(good ? 0 : 2);
    }
    _exit(1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(MappedFile, RefusesADescriptorThatIsNotOpen) {
  EXPECT_NE(test::error_of(ErrorCode::kIo, [] { MappedFile(-1, "name", FileAccess::kMap); })
                .find("name: cannot stat: Bad file descriptor"),
            std::string::npos);
}

}  // namespace
}  // namespace linnet::weights
