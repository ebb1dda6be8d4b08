#include "weights/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_dir.h"

namespace linnet::weights {
namespace {

namespace fs = std::filesystem;
using test::f32_tensor;
using test::safetensors_bytes;
using test::TempDir;

constexpr char kIndex[] = "model.safetensors.index.json";

bool contains(const std::string& text, std::string_view part) {
  if (text.find(part) != text.npos) return true;
  ADD_FAILURE() << text << "\nlacks: " << part;
  return false;
}

std::string shard(int i, int n) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", i, n);
  return name;
}

// Tensors t0, t1, … in n shards, two in each.
void write_shards(const TempDir& t, int n, const std::string& metadata = "") {
  t.write("config.json", "{}");
  std::string map;
  for (int i = 0; i < n; ++i) {
    const std::string a = "t" + std::to_string(2 * i), b = "t" + std::to_string(2 * i + 1);
    const auto value = static_cast<float>(i);
    t.write(shard(i + 1, n),
            safetensors_bytes({f32_tensor(b, {value, 1}), f32_tensor(a, {value})}));
    for (const std::string& name : {a, b}) {
      map.append(map.empty() ? "" : ",").append("\"").append(name).append("\":\"");
      map.append(shard(i + 1, n)).append("\"");
    }
  }
  t.write(kIndex, "{" + metadata + "\"weight_map\":{" + map + "}}");
}

std::string refused(const TempDir& t, ErrorCode code = ErrorCode::kFormat,
                    const OpenOptions& options = {}) {
  return test::error_of(code, [&] { Checkpoint c(t.path(), options); });
}

TEST(Checkpoint, OpensASingleFile) {
  const TempDir t;
  t.write("config.json", R"({"model_type": "bert"})");
  t.write("model.safetensors", safetensors_bytes({f32_tensor("b", {1, 2}), f32_tensor("a", {3})}));
  t.write("tokenizer_config.json", R"({"do_lower_case": true})");
  for (const FileAccess access : {FileAccess::kMap, FileAccess::kRead}) {
    const Checkpoint c(t.path(), {.access = access});
    EXPECT_EQ(c.config().at("model_type").string(), "bert");
    ASSERT_EQ(c.tensors().size(), 2u);
    EXPECT_EQ(c.tensors()[0].name, "a");
    EXPECT_EQ(c.find("b")->elements(), 2);
    EXPECT_EQ(c.find("c"), nullptr);
    EXPECT_TRUE(c.warnings().empty());
    EXPECT_TRUE(c.read_json("tokenizer_config.json", 100)->root().at("do_lower_case").boolean());
    EXPECT_FALSE(c.read_json("none.json", 100).has_value());
    EXPECT_THROW((void)c.read_json("tokenizer_config.json", 5), Error);
    for (const TensorView& tensor : c.tensors()) c.release(tensor);
  }
}

TEST(Checkpoint, OpensShards) {
  for (const int n : {1, 2, 7}) {
    const TempDir t;
    write_shards(t, n);
    for (const FileAccess access : {FileAccess::kMap, FileAccess::kRead}) {
      const Checkpoint c(t.path(), {.access = access});
      EXPECT_EQ(c.files().size(), static_cast<std::size_t>(n));
      ASSERT_EQ(c.tensors().size(), static_cast<std::size_t>(2 * n));
      for (int i = 0; i < 2 * n; ++i) {
        const TensorView* tensor = c.find("t" + std::to_string(i));
        ASSERT_NE(tensor, nullptr);
        float value = -1;
        std::memcpy(&value, tensor->bytes.data(), sizeof value);
        EXPECT_EQ(value, static_cast<float>(i / 2));
        c.release(*tensor);
      }
      EXPECT_TRUE(c.warnings().empty());
    }
  }
}

TEST(Checkpoint, StaysValidWhenItMoves) {
  const TempDir t;
  write_shards(t, 2);
  std::vector<Checkpoint> kept;
  for (int i = 0; i < 5; ++i) kept.push_back(Checkpoint(t.path()));
  for (const Checkpoint& c : kept) {
    EXPECT_EQ(c.find("t3")->name, "t3");
    EXPECT_EQ(c.config().size(), 0);
  }
}

TEST(Checkpoint, ChecksTotalSize) {
  struct {
    const char* metadata;
    bool warns;
  } const cases[] = {{R"("metadata":{"total_size":24},)", false},
                     {R"("metadata":{"total_size":24.0},)", false},
                     {R"("metadata":{"total_size":25},)", true},
                     {R"("metadata":{"total_size":"24"},)", true},
                     {R"("metadata":{},)", false},
                     {R"("metadata":null,)", false},
                     {R"("metadata":{"total_size":null},)", false}};
  for (const auto& c : cases) {
    const TempDir t;
    write_shards(t, 2, c.metadata);
    const Checkpoint checkpoint(t.path());
    ASSERT_EQ(checkpoint.warnings().size(), c.warns ? 1u : 0u) << c.metadata;
    if (c.warns)
      contains(checkpoint.warnings()[0], "total_size is not the 24 bytes of the tensors");
  }
}

TEST(Checkpoint, PrefersTheSingleFileToAnIndex) {
  const TempDir t;
  write_shards(t, 2);
  t.write("model.safetensors", safetensors_bytes({f32_tensor("only", {1})}));
  const Checkpoint c(t.path());
  EXPECT_EQ(c.tensors().size(), 1u);
  ASSERT_EQ(c.warnings().size(), 1u);
  contains(c.warnings()[0], "the index is not used");
  t.write(kIndex, "broken");  // and not read
  EXPECT_EQ(Checkpoint(t.path()).tensors().size(), 1u);
}

TEST(Checkpoint, RefusesAMissingShard) {
  const TempDir t;
  write_shards(t, 3);
  fs::remove(t.path(shard(2, 3)));
  const std::string message = refused(t);
  contains(message, kIndex);
  contains(message, "weight_map.t2: the shard \"model-00002-of-00003.safetensors\" is missing");
}

TEST(Checkpoint, RefusesATensorInTheWrongShard) {
  const TempDir t;
  write_shards(t, 2);
  t.write(shard(1, 2),
          safetensors_bytes({f32_tensor("t2", {0}), f32_tensor("t0", {0}), f32_tensor("t1", {0})}));
  t.write(shard(2, 2), safetensors_bytes({f32_tensor("t3", {0})}));
  contains(refused(t),
           "model-00001-of-00002.safetensors: tensor \"t2\" belongs by the index to \"model-00002");
}

TEST(Checkpoint, RefusesATensorInTwoShards) {
  for (const int extra : {1, 2}) {
    const TempDir t;
    write_shards(t, 2);
    const std::string name = extra == 1 ? "t2" : "t0";  // of the other one
    const int i = extra - 1;
    t.write(shard(extra, 2), safetensors_bytes({f32_tensor("t" + std::to_string(2 * i), {0}),
                                                f32_tensor("t" + std::to_string(2 * i + 1), {0}),
                                                f32_tensor(name, {0})}));
    contains(refused(t), "tensor \"" + name + "\" is in two shards, here and in");
  }
}

TEST(Checkpoint, RefusesATensorThatTheIndexLacks) {
  const TempDir t;
  write_shards(t, 1);
  t.write(shard(1, 1),
          safetensors_bytes({f32_tensor("t0", {0}), f32_tensor("t1", {0}), f32_tensor("x", {0})}));
  contains(refused(t), "tensor \"x\" is not in the index");
}

TEST(Checkpoint, RefusesATensorThatItsShardLacks) {
  const TempDir t;
  write_shards(t, 2);
  t.write(shard(2, 2), safetensors_bytes({f32_tensor("t2", {0})}));
  contains(refused(t),
           "weight_map.t3: the shard \"model-00002-of-00002.safetensors\" has no such tensor");
}

TEST(Checkpoint, RefusesShardNamesThatArePaths) {
  const TempDir outside;
  outside.write("secret.safetensors", safetensors_bytes({f32_tensor("a", {1})}));
  for (const std::string& name :
       {outside.path("secret.safetensors"), std::string("../secret.safetensors"), std::string(".."),
        std::string(""), std::string("sub/x.safetensors"), std::string("a\\\\b"),
        std::string("C:x"), std::string("x\\u0000.safetensors"), std::string("/dev/zero")}) {
    const TempDir t;
    t.write("config.json", "{}");
    t.write("sub/x.safetensors", safetensors_bytes({f32_tensor("a", {1})}));
    t.write(kIndex, R"({"weight_map":{"a":")" + name + "\"}}");
    contains(refused(t), "is not a plain file name");
  }
}

TEST(Checkpoint, RefusesShardsThatLeadOut) {
  const TempDir t;
  t.write("secret.safetensors", safetensors_bytes({f32_tensor("a", {1})}));
  t.write("model/config.json", "{}");
  t.write(std::string("model/") + kIndex, R"({"weight_map":{"a":"link.safetensors"}})");
  fs::create_symlink("../secret.safetensors", t.path("model/link.safetensors"));
  contains(test::error_of(ErrorCode::kIo, [&] { Checkpoint c(t.path("model")); }),
           "outside the model directory");
  EXPECT_EQ(Checkpoint(t.path("model"), {.symlinks = Symlinks::kAll}).tensors().size(), 1u);
}

TEST(Checkpoint, OpensAShardedSnapshotOfTheHubsCache) {
  const TempDir t;
  write_shards(t, 2);
  fs::create_directories(t.path("models--a/blobs"));
  fs::create_directories(t.path("models--a/snapshots/rev"));
  for (const std::string& name :
       {std::string("config.json"), std::string(kIndex), shard(1, 2), shard(2, 2)}) {
    fs::rename(t.path(name), t.path("models--a/blobs/" + name + ".hash"));
    fs::create_symlink("../../blobs/" + name + ".hash", t.path("models--a/snapshots/rev/" + name));
  }
  EXPECT_EQ(Checkpoint(t.path("models--a/snapshots/rev")).tensors().size(), 4u);
  EXPECT_THROW(Checkpoint(t.path("models--a/snapshots/rev"), {.symlinks = Symlinks::kNone}), Error);
}

TEST(Checkpoint, RefusesABrokenIndex) {
  for (const char* index : {"[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})",
                            R"({"weight_map":{"a":null}})", R"({"weight_map":{"a":["x"]}})",
                            R"({"weight_map":{"a":"x","a":"x"}})", "{\"weight_map\":{}", ""}) {
    const TempDir t;
    t.write("config.json", "{}");
    t.write(kIndex, index);
    contains(refused(t), kIndex);
  }
}

TEST(Checkpoint, NamesFilesFromTheIndexSafely) {
  const TempDir t;
  t.write("config.json", "{}");
  t.write("a\x1b[2J.safetensors", "broken");
  t.write(kIndex, R"({"weight_map":{"a":"a\u001b[2J.safetensors"}})");
  contains(refused(t), R"(a\u{001b}[2J.safetensors: has 6 bytes, expected at least 8)");
}

TEST(Checkpoint, RefusesADirectoryWithoutConfig) {
  const TempDir t;
  t.write("model.safetensors", safetensors_bytes("{}"));
  contains(refused(t, ErrorCode::kIo), "has no config.json: no model directory");
  t.write("config.json", "[]");
  contains(refused(t), "config.json:1:1: found an array, expected an object");
  t.write("config.json", "{\"a\": 1,}");
  contains(refused(t), "config.json:1:9: not JSON");
  fs::resize_file(t.path("config.json"), (std::uintmax_t{4} << 20) + 1);
  contains(refused(t, ErrorCode::kLimit),
           "config.json: has 4194305 bytes, expected at most 4194304");
}

TEST(Checkpoint, RefusesADirectoryWithoutWeights) {
  const TempDir t;
  t.write("config.json", "{}");
  contains(refused(t, ErrorCode::kIo),
           "has neither model.safetensors nor model.safetensors.index.json");
}

// What runs code when it is read is not read; the message has the command that converts it.
TEST(Checkpoint, TellsHowToConvertOtherFormats) {
  for (const char* file : {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.ckpt",
                           "tf_model.h5", "flax_model.msgpack"}) {
    const TempDir t;
    t.write("it's $(here)/config.json", "{}");
    t.write(std::string("it's $(here)/") + file, "\x80\x02");
    const std::string message =
        test::error_of(ErrorCode::kUnsupported, [&] { Checkpoint c(t.path("it's $(here)")); });
    contains(message, file);
    contains(message,
             "save_pretrained(d, safe_serialization=True)\" '" + t.path("it'\\''s $(here)") + "'");
  }
}

TEST(Checkpoint, RefusesBrokenWeights) {
  const TempDir t;
  t.write("config.json", "{}");
  const std::string good = safetensors_bytes({f32_tensor("a", {1, 2, 3})});
  for (const FileAccess access : {FileAccess::kMap, FileAccess::kRead}) {
    t.write("model.safetensors", good + "x");
    contains(refused(t, ErrorCode::kFormat, {.access = access}),
             "model.safetensors: 1 trailing bytes");
    for (const std::size_t n : {0u, 7u, 8u, 20u}) {
      t.write("model.safetensors", good.substr(0, n));
      contains(refused(t, ErrorCode::kFormat, {.access = access}), "model.safetensors: ");
    }
    fs::remove(t.path("model.safetensors"));
    ASSERT_EQ(mkfifo(t.path("model.safetensors").c_str(), 0644), 0);
    contains(refused(t, ErrorCode::kIo, {.access = access}), "is not a regular file");
    fs::remove(t.path("model.safetensors"));
    fs::create_directory(t.path("model.safetensors"));
    contains(refused(t, ErrorCode::kIo, {.access = access}), "is not a regular file");
    fs::remove(t.path("model.safetensors"));
  }
}

// Nobody reads five gigabytes of zeros to find that they are no model.
TEST(Checkpoint, RefusesASparseFileByItsHeader) {
  const TempDir t;
  t.write("config.json", "{}");
  t.write("model.safetensors", "");
  fs::resize_file(t.path("model.safetensors"), std::uintmax_t{5} << 30);
  for (const FileAccess access : {FileAccess::kMap, FileAccess::kRead}) {
    contains(refused(t, ErrorCode::kFormat, {.access = access}),
             "header:1:1: not JSON: unexpected end of input");
  }
  t.write("model.safetensors",
          safetensors_bytes(R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})"));
  fs::resize_file(t.path("model.safetensors"), std::uintmax_t{5} << 30);
  for (const FileAccess access : {FileAccess::kMap, FileAccess::kRead}) {
    contains(refused(t, ErrorCode::kFormat, {.access = access}), "trailing bytes");
  }
}

}  // namespace
}  // namespace linnet::weights
