// A valid checkpoint, damaged at random: it is refused with an Error, or loads as something whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/support/count_allocations.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_dir.h"
#include "weights/base/error.h"
#include "weights/name_map.h"

namespace linnet::weights {
namespace {

using test::f32_tensor;
using test::safetensors_bytes;

struct File {
  std::string name, bytes;
};

const std::vector<TensorRule>& rules() {
  static const std::vector<TensorRule> table{
      {.name = "embeddings.word.weight", .shape = {3, 2}},
      {.name = "layer.0.LayerNorm.weight", .shape = {2}},
      {.name = "decoder.weight", .shape = {3, 2}, .tied_to = "embeddings.word.weight"},
      {.name = "bias", .shape = {3}, .presence = Presence::kOptional, .scope = Scope::kHead}};
  return table;
}

std::vector<test::TensorBytes> words() {
  return {f32_tensor("bert.embeddings.word.weight", {1, 2, 3, 4, 5, 6}, {3, 2}),
          {"bert.embeddings.position_ids", "I64", {1, 1}, std::string(8, '\0')}};
}
std::vector<test::TensorBytes> others() {
  return {f32_tensor("bert.layer.0.LayerNorm.gamma", {1, 1}), f32_tensor("bias", {0, 1, 2})};
}

std::vector<File> single_file() {
  auto tensors = words();
  for (auto& tensor : others()) tensors.push_back(std::move(tensor));
  return {{"config.json", R"({"model_type": "bert", "hidden_size": 2, "labels": ["a", "\u00e4"]})"},
          {"model.safetensors", safetensors_bytes(tensors)}};
}
std::vector<File> shards() {
  return {{"config.json", "{}"},
          {"model.safetensors.index.json",
           R"({"metadata": {"total_size": 52}, "weight_map": {
               "bert.embeddings.word.weight": "a", "bert.embeddings.position_ids": "a",
               "bert.layer.0.LayerNorm.gamma": "b", "bias": "b"}})"},
          {"a", safetensors_bytes(words())},
          {"b", safetensors_bytes(others())}};
}

class Damage {
 public:
  explicit Damage(std::uint32_t seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }

  // One to three bytes or pieces changed, lost, put in or moved.
  std::string of(std::string bytes) {
    for (std::size_t n = 1 + below(3); n > 0 && !bytes.empty(); --n) {
      const std::size_t at = below(bytes.size());
      switch (below(6)) {
        case 0:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
          break;
        case 1:
          bytes.resize(at);
          break;
        case 2:
          bytes.insert(at, 1 + below(9), static_cast<char>(below(256)));
          break;
        case 3:
          bytes.erase(at, 1 + below(9));
          break;
        case 4:
          bytes.insert(below(bytes.size()), bytes.substr(at, 1 + below(60)));
          break;
        default:
          bytes[at] = "0123456789{}[]\",:-"[below(18)];
      }
    }
    return bytes;
  }

 private:
  std::mt19937 random_;
};

// What was accepted is consistent, and every byte of it can be read.
void check(const Checkpoint& checkpoint) {
  std::byte all{};
  for (const TensorView& tensor : checkpoint.tensors()) {
    EXPECT_EQ(bytes_of(tensor.dtype, tensor.shape), std::ssize(tensor.bytes));
    EXPECT_EQ(checkpoint.find(tensor.name), &tensor);
    for (const std::byte b : tensor.bytes) all |= b;
  }
  volatile std::byte read = all;
  static_cast<void>(read);
  for (const Safetensors& file : checkpoint.files()) {
    std::uint64_t whole = 0;
    std::memcpy(&whole, file.file().bytes().data(), sizeof whole);
    whole += 8;
    for (const TensorView& tensor : file.tensors()) whole += tensor.bytes.size();
    EXPECT_EQ(whole, file.file().bytes().size());
  }
  const NameMap map = map_names(checkpoint, rules(), {"embeddings.word.weight", {"bert.", ""}, {}},
                                Unexpected::kWarn);
  EXPECT_EQ(map.account.size(), checkpoint.tensors().size());
}

void survive(const std::vector<File>& files, int rounds, std::uint32_t seed) {
  const test::TempDir dir;
  for (const File& file : files) dir.write(file.name, file.bytes);
  ASSERT_NO_THROW(check(Checkpoint(dir.path())));
  // A new file each time: cutting an old one to nothing makes some file systems write at once.
  const auto replace = [&](const std::string& name, const std::string& bytes) {
    std::filesystem::remove(dir.path(name));
    dir.write(name, bytes);
  };
  Damage damage(seed);
  int loaded = 0;
  for (int i = 0; i < rounds; ++i) {
    const File& file = files[damage.below(files.size())];
    const std::string damaged = damage.of(file.bytes);
    replace(file.name, damaged);
    const FileAccess access = i % 2 == 0 ? FileAccess::kMap : FileAccess::kRead;
    test::start_counting_allocations();
    try {
      check(Checkpoint(dir.path(), {.access = access}));
      ++loaded;
    } catch (const Error&) {
    }
    test::stop_counting_allocations();
    // Two bytes of JSON are one value of 24 bytes in a vector that doubles; messages are short.
    EXPECT_LE(test::largest_allocation(), 8192 + 24 * std::max<std::size_t>(damaged.size(), 600))
        << file.name << ": " << damaged;
    replace(file.name, file.bytes);
  }
  EXPECT_GT(loaded, rounds / 100);
  EXPECT_LT(loaded, rounds / 2);
}

TEST(Damage, IsRefusedOrHarmlessInASingleFile) { survive(single_file(), 4'000, 1); }
TEST(Damage, IsRefusedOrHarmlessInShards) { survive(shards(), 4'000, 2); }

}  // namespace
}  // namespace linnet::weights
