#include "weights/hash.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace linnet::weights {
namespace {

std::string hash_of(const std::string& content) {
  return text(hash_bytes(std::as_bytes(std::span(content))));
}

// The sums that `xxhsum -H2` prints.
TEST(Hash, IsXxh3Of128Bits) {
  EXPECT_EQ(hash_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_of("linnet"), "ef66d25d1a2fc033582319bde0aec2ad");
  EXPECT_EQ(hash_of(std::string(1000, '\0')), "3fb94aea6d09b97224c1ea6074dd588c");
  EXPECT_EQ(text({0x0123456789abcdef, 0xfedcba9876543210}), "0123456789abcdeffedcba9876543210");
}

TEST(Hash, OfAFileIsThatOfItsBytes) {
  const test::TempDir t;
  // Around the length of a piece, and where the algorithm changes its ways.
  for (const std::size_t size :
       {0u, 1u, 16u, 17u, 240u, 241u, 1048575u, 1048576u, 1048577u, 3145731u}) {
    std::string content(size, '\0');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * i % 253);
    t.write("file", content);
    EXPECT_EQ(text(hash_file(t.path("file"))), hash_of(content)) << size;
    if (size == 0) continue;
    content[size / 2] = static_cast<char>(content[size / 2] ^ 1);
    EXPECT_NE(text(hash_file(t.path("file"))), hash_of(content)) << size;
  }
}

TEST(Hash, RefusesWhatIsNoFile) {
  const test::TempDir t;
  EXPECT_EQ(test::error_of(ErrorCode::kIo, [&] { hash_file(t.path("none")); }),
            t.path("none") + ": cannot open: No such file or directory");
  EXPECT_EQ(test::error_of(ErrorCode::kIo, [&] { hash_file(t.path().string()); }),
            t.path().string() + ": is not a regular file");
  ASSERT_EQ(mkfifo(t.path("fifo").c_str(), 0644), 0);
  EXPECT_EQ(test::error_of(ErrorCode::kIo, [&] { hash_file(t.path("fifo")); }),
            t.path("fifo") + ": is not a regular file");
}

}  // namespace
}  // namespace linnet::weights
