#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_dir.h"
#include "weights/safetensors.h"

namespace linnet::weights {
namespace {

using test::TempDir;

// Tensors that own their bytes.
struct Source {
  std::vector<std::string> data;
  std::vector<TensorToWrite> tensors;

  void add(std::string name, DType dtype, std::vector<std::int64_t> shape, char fill = 'x') {
    const auto size = static_cast<std::size_t>(*bytes_of(dtype, shape));
    data.push_back(std::string(size, fill));
    tensors.push_back({std::move(name), dtype, std::move(shape), {}});
  }
  // Bytes move when strings do, so they are bound last.
  std::span<const TensorToWrite> bound() {
    for (std::size_t i = 0; i < data.size(); ++i)
      tensors[i].bytes = std::as_bytes(std::span(data[i]));
    return tensors;
  }
};

Source mixed() {
  Source s;
  s.add("b.bias", DType::kF32, {3}, 'b');
  s.add("word", DType::kF32, {16, 4}, 'w');
  s.add("half", DType::kF16, {32}, 'h');
  s.add("scalar", DType::kI64, {}, 's');
  s.add("empty", DType::kF32, {0, 7}, 'e');
  s.add("a.bias", DType::kF32, {5}, 'a');
  s.add("codes", DType::kI8, {64, 2}, 'c');
  s.add("odd", DType::kU8, {3}, 'o');
  return s;
}

// What the file would hold.
std::string written(std::span<const TensorToWrite> tensors, const Metadata& metadata = {},
                    std::int64_t alignment = 64) {
  const SafetensorsPlan plan = plan_safetensors(tensors, metadata, alignment);
  std::string bytes = plan.header;
  for (const std::size_t i : plan.order) {
    bytes.append(reinterpret_cast<const char*>(tensors[i].bytes.data()), tensors[i].bytes.size());
  }
  return bytes;
}

TEST(SafetensorsWriter, WritesTheSameBytesInWhateverOrder) {
  Source s = mixed();
  const Metadata metadata{{"format", "pt"}, {"a", "\"\u00e4\n"}};
  const std::string expected = written(s.bound(), metadata);
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    std::vector<TensorToWrite> shuffled(s.tensors);
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    EXPECT_EQ(written(shuffled, metadata), expected);
  }
}

TEST(SafetensorsWriter, WritesLiterallyThis) {
  Source s;
  s.add("a", DType::kU8, {2}, 'A');
  s.add("b", DType::kF32, {1}, 'B');
  std::string header = R"({"__metadata__": {"format": "pt"}, )"
                       R"("b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, )"
                       R"("a": {"dtype": "U8", "shape": [2], "data_offsets": [4, 6]}})";
  header.resize(192 - 8, ' ');
  const std::string expected = test::safetensors_bytes(header, "BBBBAA");
  EXPECT_EQ(written(s.bound(), {{"format", "pt"}}), expected);
  const TempDir t;
  write_safetensors(t.path("x"), s.bound(), {{"format", "pt"}});
  EXPECT_EQ(t.read("x"), expected);
  EXPECT_EQ(written({}), test::safetensors_bytes("{}" + std::string(54, ' ')));
}

TEST(SafetensorsWriter, KeepsEveryLargeTensorAligned) {
  for (const std::int64_t alignment : {8, 64, 4096}) {
    Source s = mixed();
    const std::string bytes = written(s.bound(), {}, alignment);
    const Safetensors file(test::memory_file(bytes));
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    EXPECT_EQ((header + 8) % static_cast<std::uint64_t>(alignment), 0u);
    if (alignment < 64) continue;
    for (const TensorView& t : file.tensors()) {
      const auto at = static_cast<std::uint64_t>(t.bytes.data() - file.file().bytes().data());
      if (t.bytes.size() % 64 == 0 && !t.bytes.empty()) {
        EXPECT_EQ(at % 64, 0u) << t.name;
      }
      const auto size = static_cast<std::uint64_t>(bits(t.dtype)) / 8;
      EXPECT_EQ(at % size, 0u) << t.name;  // aligned for its own type, too
    }
  }
}

TEST(SafetensorsWriter, WhatItWritesReadsTheSame) {
  std::mt19937 random(2);
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  constexpr const char* kParts[] = {"a",      ".",          "\"", "\\", "\n",
                                    "\u00e4", "\U0001F600", "/",  " ",  "\u202e"};
  const auto text = [&] {
    std::string out;
    for (std::uint32_t i = 0, n = below(6); i < n; ++i) out += kParts[below(10)];
    return out;
  };
  for (int round = 0; round < 300; ++round) {
    Source s;
    for (std::uint32_t i = 0, n = below(12); i < n; ++i) {
      std::vector<std::int64_t> shape;
      for (std::uint32_t d = below(4); d > 0; --d) shape.push_back(below(5));
      shape.push_back(8);  // sub-byte types end on a byte
      s.add(text() + std::to_string(i), static_cast<DType>(below(22)), shape,
            static_cast<char>(below(256)));
    }
    Metadata metadata;
    for (std::uint32_t i = 0, n = below(4); i < n; ++i) metadata[text()] = text();
    const Safetensors file(test::memory_file(written(s.bound(), metadata)));
    EXPECT_EQ(file.metadata(), metadata);
    ASSERT_EQ(file.tensors().size(), s.tensors.size());
    for (const TensorToWrite& t : s.tensors) {
      const TensorView* read = file.find(t.name);
      ASSERT_NE(read, nullptr) << t.name;
      EXPECT_EQ(read->dtype, t.dtype);
      EXPECT_TRUE(
          std::equal(read->shape.begin(), read->shape.end(), t.shape.begin(), t.shape.end()));
      EXPECT_TRUE(
          std::equal(read->bytes.begin(), read->bytes.end(), t.bytes.begin(), t.bytes.end()));
    }
  }
}

TEST(SafetensorsWriter, RefusesWhatNoFileMayHold) {
  const auto refused = [](Source s, const Metadata& metadata = {}, std::int64_t alignment = 64) {
    return test::error_of(ErrorCode::kInvalidArgument,
                          [&] { plan_safetensors(s.bound(), metadata, alignment); });
  };
  Source twins;  // far apart in the order of the file
  twins.add("a", DType::kF32, {16});
  twins.add("b", DType::kF32, {16});
  twins.add("a", DType::kU8, {3});
  EXPECT_EQ(refused(twins), "safetensors: two tensors are named \"a\"");
  Source reserved;
  reserved.add("__metadata__", DType::kU8, {1});
  EXPECT_EQ(refused(reserved), "safetensors: no tensor may be named \"__metadata__\"");
  Source not_utf8;
  not_utf8.add("a\xFF", DType::kU8, {1});
  EXPECT_EQ(refused(not_utf8), R"(safetensors: tensor name "a\xff" is not UTF-8)");
  Source misfit;
  misfit.add("a", DType::kF32, {2, 3});
  misfit.tensors[0].shape = {2, 4};
  EXPECT_EQ(refused(misfit), "safetensors: tensor \"a\" has 24 bytes, not those of F32 [2, 4]");
  misfit.tensors[0].shape = {-2, -3};
  EXPECT_EQ(refused(misfit), "safetensors: tensor \"a\" has 24 bytes, not those of F32 [-2, -3]");
  EXPECT_EQ(refused({}, {{"k", "\x80"}}), "safetensors: metadata \"k\" is not UTF-8");
  for (const std::int64_t alignment : {-64, 0, 1, 12}) refused({}, {}, alignment);
}

TEST(SafetensorsWriter, RefusesAHeaderOfMoreThan100Megabytes) {
  EXPECT_NE(test::error_of(ErrorCode::kLimit,
                           [] {
                             plan_safetensors({}, {{"k", std::string(100'000'000, 'x')}});
                           })
                .find("expected at most 100000000"),
            std::string::npos);
}

// A mapping of the file that is written over stays what it was.
TEST(SafetensorsWriter, ReplacesAFileThatIsMapped) {
  const TempDir t;
  Source first, second;
  first.add("a", DType::kU8, {4}, '1');
  second.add("a", DType::kU8, {4}, '2');
  write_safetensors(t.path("m.safetensors"), first.bound());
  const Directory d(t.path());
  const auto old = open_safetensors(d, "m.safetensors");
  write_safetensors(t.path("m.safetensors"), second.bound());
  EXPECT_EQ(static_cast<char>(old->find("a")->bytes[0]), '1');
  EXPECT_EQ(static_cast<char>(open_safetensors(d, "m.safetensors")->find("a")->bytes[0]), '2');
}

}  // namespace
}  // namespace linnet::weights
