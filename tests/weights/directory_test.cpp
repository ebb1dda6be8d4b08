#include "weights/directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace linnet::weights {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

std::string content(const Directory& d, std::string_view name) {
  return d.read(name, 100).value_or("(missing)");
}

std::string io_error(const Directory& d, std::string_view name) {
  const std::string read = test::error_of(ErrorCode::kIo, [&] { (void)d.read(name, 100); });
  EXPECT_EQ(test::error_of(ErrorCode::kIo, [&] { (void)d.open(name); }), read);
  return read;
}

TEST(Directory, OpensFilesByName) {
  const TempDir t;
  t.write("a.json", "text");
  t.write("1_Pooling/config.json", "folder");
  t.write("empty", "");
  const Directory d(t.path());
  EXPECT_EQ(content(d, "a.json"), "text");
  EXPECT_EQ(content(d, "1_Pooling/config.json"), "folder");
  EXPECT_EQ(content(d, "empty"), "");
  EXPECT_TRUE(d.open("empty")->bytes().empty());
  EXPECT_EQ(d.open("a.json")->bytes().size(), 4u);
  EXPECT_EQ(d.open("a.json")->name(), t.path("a.json"));
  EXPECT_TRUE(d.has("a.json"));
}

TEST(Directory, TellsMissingFilesFromBadOnes) {
  const TempDir t;
  t.write("file", "");
  const Directory d(t.path());
  for (const char* name : {"none", "folder/none", "file/none"}) {
    EXPECT_FALSE(d.open(name).has_value()) << name;
    EXPECT_FALSE(d.read(name, 10).has_value()) << name;
    EXPECT_FALSE(d.has(name)) << name;
  }
}

TEST(Directory, RefusesWhatIsNoDirectory) {
  const TempDir t;
  t.write("file", "");
  const auto error = [](const fs::path& path) {
    return test::error_of(ErrorCode::kIo, [&] { Directory d(path); });
  };
  EXPECT_EQ(error(t.path("none")), t.path("none") + ": No such file or directory");
  EXPECT_EQ(error(t.path("file")), t.path("file") + ": is a file, expected a model directory");
  EXPECT_EQ(error(""), "\"\": Invalid argument");
  EXPECT_NE(error(std::string(5000, 'x')).find("File name too long"), std::string::npos);
  EXPECT_NE(error(t.path("a\x1b[2J\xFF")).find(R"(a\u{001b}[2J\xff: No such)"), std::string::npos);
}

TEST(Directory, RefusesNamesThatAreNotPlain) {
  const TempDir t;
  t.write("model/a", "a");
  t.write("secret", "s");
  const Directory d(t.path("model"));
  for (const std::string& name :
       {std::string(""), std::string("."), std::string(".."), std::string("../secret"),
        t.path("secret"), std::string("/"), std::string("a/"), std::string("/a"),
        std::string("a/.."), std::string("./a"), std::string("x/y/z"), std::string("..\\secret"),
        std::string("C:a"), std::string("c:"), std::string("a\0b", 3), std::string(256, 'x'),
        std::string("../model/a")}) {
    EXPECT_NE(
        test::error_of(ErrorCode::kFormat, [&] { (void)d.read(name, 10); }).find("is not plain"),
        std::string::npos)
        << name;
    EXPECT_FALSE(is_plain_name(name) && name != "x/y/z") << name;
  }
  for (const char* name :
       {"a", "a b", "...", "..a", "1:", "\xFF", "model-00001-of-00002.safetensors"}) {
    EXPECT_TRUE(is_plain_name(name)) << name;
  }
}

TEST(Directory, OpensRegularFilesOnlyAndNeverWaits) {
  const TempDir t;
  ASSERT_EQ(mkfifo(t.path("fifo").c_str(), 0644), 0);
  fs::create_directory(t.path("folder"));
  const Directory d(t.path());
  EXPECT_EQ(io_error(d, "fifo"), t.path("fifo") + ": is not a regular file");
  EXPECT_EQ(io_error(d, "folder"), t.path("folder") + ": is not a regular file");
  fs::create_symlink("/dev/zero", t.path("zero"));
  const Directory all(t.path(), Symlinks::kAll);
  EXPECT_EQ(io_error(all, "zero"), t.path("zero") + ": is not a regular file");
  EXPECT_FALSE(d.read("fifo/x", 10).has_value());
}

TEST(Directory, TellsWhyAFileCannotBeRead) {
  const TempDir t;
  t.write("shut", "s");
  chmod(t.path("shut").c_str(), 0);
  fs::permissions(t.path(), fs::perms::all);
  const Directory d(t.path());
  const bool root = geteuid() == 0;  // whom no permission stops
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  EXPECT_EQ(io_error(d, "shut"), t.path("shut") + ": cannot open: Permission denied");
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
}

TEST(Directory, ReadsNoMoreThanAllowed) {
  const TempDir t;
  t.write("five", "12345");
  t.write("sparse", "");
  fs::resize_file(t.path("sparse"), std::uintmax_t{5} << 30);
  const Directory d(t.path());
  EXPECT_EQ(*d.read("five", 5), "12345");
  EXPECT_EQ(test::error_of(ErrorCode::kLimit, [&] { (void)d.read("five", 4); }),
            t.path("five") + ": has 5 bytes, expected at most 4");
  EXPECT_THROW((void)d.read("sparse", 1 << 20), Error);
  EXPECT_EQ(d.open("sparse")->bytes().size(), std::size_t{5} << 30);
}

TEST(Directory, FollowsLinksThatStayInside) {
  const TempDir t;
  t.write("model/real", "inside");
  t.write("model/folder/deep", "deep");
  fs::create_symlink("real", t.path("model/link"));
  fs::create_symlink(t.path("model/folder/deep"), t.path("model/absolute"));
  fs::create_symlink("link", t.path("model/twice"));
  fs::create_symlink("folder", t.path("model/folder_link"));
  fs::create_symlink("../real", t.path("model/folder/up"));
  const Directory d(t.path("model"));
  for (const char* name : {"link", "twice", "folder/up"}) EXPECT_EQ(content(d, name), "inside");
  for (const char* name : {"absolute", "folder_link/deep"}) EXPECT_EQ(content(d, name), "deep");
  fs::create_symlink("model", t.path("alias"));  // the directory itself may be reached by links
  EXPECT_EQ(content(Directory(t.path("alias")), "link"), "inside");
}

TEST(Directory, RefusesLinksThatLeadOut) {
  const TempDir t;
  t.write("secret", "s");
  t.write("model_2/secret", "s");  // a name that begins like the directory's
  t.write("model/real", "inside");
  t.write("outside/secret", "s");
  fs::create_symlink("../secret", t.path("model/out"));
  fs::create_symlink(t.path("secret"), t.path("model/absolute"));
  fs::create_symlink("../model_2/secret", t.path("model/neighbour"));
  fs::create_symlink("../outside", t.path("model/folder"));
  fs::create_symlink("out", t.path("model/twice"));
  fs::create_symlink("/dev/zero", t.path("model/zero"));
  fs::create_symlink("..", t.path("model/parent"));
  fs::create_symlink(".", t.path("model/self"));
  const Directory d(t.path("model"));
  for (const char* name : {"out", "absolute", "neighbour", "folder/secret", "twice", "zero",
                           "parent/secret", "self/real"}) {
    EXPECT_NE(io_error(d, name).find("outside the model directory"), std::string::npos) << name;
  }
  EXPECT_EQ(io_error(d, "out"), t.path("model/out") + ": is a symbolic link to \"" +
                                    t.path("secret") + "\", outside the model directory");
}

TEST(Directory, NamesLinksThatLeadNowhere) {
  const TempDir t;
  fs::create_symlink("none", t.path("dangling"));
  fs::create_symlink("loop", t.path("loop"));
  const Directory d(t.path());
  EXPECT_NE(io_error(d, "dangling").find("leads nowhere: No such file"), std::string::npos);
  EXPECT_NE(io_error(d, "loop").find("leads nowhere: Too many levels"), std::string::npos);
}

TEST(Directory, FollowsAllLinksOrNone) {
  const TempDir t;
  t.write("secret", "s");
  t.write("outside/deep", "d");
  t.write("model/real", "r");
  fs::create_symlink("../secret", t.path("model/out"));
  fs::create_symlink("../outside", t.path("model/folder"));
  fs::create_symlink("real", t.path("model/in"));
  const Directory all(t.path("model"), Symlinks::kAll), none(t.path("model"), Symlinks::kNone);
  EXPECT_EQ(content(all, "out"), "s");
  EXPECT_EQ(content(all, "folder/deep"), "d");
  EXPECT_EQ(content(none, "real"), "r");
  for (const char* name : {"out", "in", "folder/deep"}) {
    EXPECT_NE(io_error(none, name).find("links are not followed"), std::string::npos) << name;
  }
}

// The cache of the Hub: snapshots/REVISION/x -> ../../blobs/HASH, and no other repository's blobs.
TEST(Directory, FollowsTheCacheOfTheHub) {
  const TempDir t;
  t.write("models--a/blobs/11aa", "blob");
  t.write("models--b/blobs/22bb", "other");
  t.write("models--a/refs/main", "rev");
  const std::string snapshot = "models--a/snapshots/rev/";
  fs::create_directories(t.path(snapshot + "1_Pooling"));
  fs::create_symlink("../../blobs/11aa", t.path(snapshot + "config.json"));
  fs::create_symlink("../../../blobs/11aa", t.path(snapshot + "1_Pooling/config.json"));
  fs::create_symlink("../../../models--b/blobs/22bb", t.path(snapshot + "other"));
  fs::create_symlink("../../refs/main", t.path(snapshot + "refs"));
  fs::create_symlink("../../blobs", t.path(snapshot + "blobs"));
  const Directory d(t.path(snapshot));
  EXPECT_EQ(content(d, "config.json"), "blob");
  EXPECT_EQ(content(d, "1_Pooling/config.json"), "blob");
  for (const char* name : {"other", "refs", "blobs/11aa"}) {
    EXPECT_NE(io_error(d, name).find("outside the model directory"), std::string::npos) << name;
  }
  // The layout gives the right, not the name "blobs" alone.
  fs::create_directories(t.path("models--a/elsewhere/rev"));
  fs::create_symlink("../../blobs/11aa", t.path("models--a/elsewhere/rev/config.json"));
  EXPECT_THROW((void)Directory(t.path("models--a/elsewhere/rev")).open("config.json"), Error);
}

TEST(Directory, WorksUnderAnyName) {
  const TempDir t;
  for (const char* name :
       {"with space", "n\xFFot utf-8", "quote'\"$(x)`", "\u00FC\u4F60", "new\nline"}) {
    t.write(std::string(name) + "/config.json", "here");
    fs::permissions(t.path(name), fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_EQ(content(Directory(t.path(name)), "config.json"), "here") << name;
    fs::permissions(t.path(name), fs::perms::owner_all);
  }
  std::string deep;
  while (deep.size() < 3500) deep.append(200, 'd').append("/");
  t.write(deep + "config.json", "deep");
  EXPECT_EQ(content(Directory(t.path(deep)), "config.json"), "deep");
}

TEST(Directory, KeepsItsHandleWhenItMoves) {
  const TempDir t;
  t.write("a/x", "first");
  t.write("b/x", "second");
  Directory one(t.path("a"));
  Directory two(std::move(one));
  EXPECT_EQ(content(two, "x"), "first");
  two = Directory(t.path("b"));
  EXPECT_EQ(content(two, "x"), "second");
  fs::rename(t.path("b"), t.path("c"));  // opened by handle, not by name
  EXPECT_EQ(content(two, "x"), "second");
}

// As many as there can be: a leak of descriptors shows.
TEST(Directory, ClosesWhatItOpens) {
  const TempDir t;
  t.write("f/x", "x");
  fs::create_symlink("f/x", t.path("link"));
  const auto open_files = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  const auto before = open_files();
  for (int i = 0; i < 20; ++i) {
    const Directory d(t.path());
    (void)d.read("f/x", 9);
    (void)d.open("link");
    (void)d.has("f/none");
    EXPECT_THROW((void)d.open("f"), Error);
    EXPECT_THROW((void)d.read("f/x", 0), Error);
    EXPECT_THROW(Directory(t.path("f/x")), Error);
  }
  EXPECT_EQ(open_files(), before);
}

}  // namespace
}  // namespace linnet::weights
