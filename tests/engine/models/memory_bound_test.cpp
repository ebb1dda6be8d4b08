// The memory bound that is computed before loading is what a process then takes.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "engine/models/encoder_session.h"
#include "tests/support/data.h"

namespace linnet {
namespace {

// Memory of this process that belongs to no file, in bytes.
std::int64_t anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoll(line.substr(8)) * 1024;
  }
  return 0;
}

TEST(MemoryBound, IsWhatAModelAndASessionTake) {
#ifdef LINNET_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory would be counted";
#endif
  LINNET_NEEDS(test::minilm_dir());
  if (anonymous_bytes() == 0) GTEST_SKIP() << "not here: RssAnon in /proc/self/status";
  LoadOptions load;
  load.isa = kernels::supported_isas().back();
  SessionOptions options;
  options.threads = 2;

  weights::Checkpoint checkpoint(test::minilm_dir());
  const std::int64_t before = anonymous_bytes();
  const EncoderDescription described = describe_encoder(checkpoint.config());
  const kernels::KernelTable table = kernels::make_table(load.isa);
  const std::int64_t bound =
      parameter_bytes(described, table) + session_bytes(described.config, table, options);

  const EncoderModel model = load_encoder(std::move(checkpoint), load);
  EXPECT_EQ(model.parameters.bytes(), parameter_bytes(described, table));
  EncoderSession session(model, options);
  const std::vector<std::int32_t> tokens(1024, 2000);
  std::vector<std::int32_t> positions(1024);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    positions[i] = static_cast<std::int32_t>(i % 512);
  }
  const std::vector<std::int64_t> starts{0, 512, 1024};
  std::vector<float> hidden(1024 * static_cast<std::size_t>(model.config.D));
  const std::int64_t own = static_cast<std::int64_t>(hidden.size() * sizeof(float));
  EncoderOutputs out;
  out.last_hidden_state = {hidden.data(), 1024, model.config.D, model.config.D};
  session.run({tokens, positions, {}, starts}, out);

  const std::int64_t taken = anonymous_bytes() - before - own;
  // Stacks, names and the pages at the ends of blocks come to it; huge pages round up.
  constexpr std::int64_t kSlack = std::int64_t{4} << 20;
  EXPECT_LE(taken, bound + kSlack);
  EXPECT_GE(taken, bound / 2) << "the bound says more than twice of what is needed";
}

}  // namespace
}  // namespace linnet
