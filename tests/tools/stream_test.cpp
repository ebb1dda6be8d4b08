// Files and pipes of any length pass through a command in constant memory.
#include <gtest/gtest.h>

#include "tests/support/data.h"
#include "tests/support/process.h"

namespace linnet::test {
namespace {

constexpr const char* kModel = "goldens/bert_seqcls_text";

// The command between two pipes: `n` short lines go in, and the last of its own comes out. (The
// test itself stays small: what a program's parent had at its start counts as its own.)
Finished stream(const char* command, std::int64_t n) {
  const std::string script = "seq " + std::to_string(n) + " | \"$0\" " + command +
                             " --threads 2 --input - --no-progress --model '" +
                             (data_dir() / kModel).string() + "' | tail -n 1";
  return run({.arguments = {"/bin/sh", "-c", script, LINNET_PROGRAM}});
}

class Stream : public testing::TestWithParam<std::pair<const char*, std::int64_t>> {};

TEST_P(Stream, MemoryDoesNotGrowWithTheLines) {
  LINNET_NEEDS(data_dir() / kModel);
  const auto& [command, many] = GetParam();
  const Finished few = stream(command, 20'000), all = stream(command, many);
  EXPECT_EQ(all.err, "");
  EXPECT_EQ(all.out.rfind("{\"index\": " + std::to_string(many - 1) + ", ", 0), 0u) << all.out;
  EXPECT_LT(all.peak_bytes - few.peak_bytes, std::int64_t{2} << 20);
}

INSTANTIATE_TEST_SUITE_P(Commands, Stream,
                         testing::Values(std::pair("classify", std::int64_t{1'000'000}),
                                         std::pair("embed", std::int64_t{200'000})),
                         [](const auto& row) { return std::string(row.param.first); });

}  // namespace
}  // namespace linnet::test
