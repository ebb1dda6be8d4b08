// `linnet forward` without its command line: goldens in, tensors out, and inputs that are wrong.
#include "tools/forward/forward.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <functional>

#include "tests/support/golden.h"
#include "tools/forward/padded_batch.h"
#include "weights/base/error.h"

namespace linnet::tools {
namespace {

namespace fs = std::filesystem;
using weights::DType;
using weights::TensorToWrite;

class Forward : public testing::Test {
 protected:
  const fs::path folder =
      fs::temp_directory_path() / ("linnet_forward_" + std::to_string(getpid()));
  const fs::path goldens = test::data_dir() / "goldens";

  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }

  ForwardOptions options(const fs::path& model, const fs::path& inputs) const {
    ForwardOptions o;
    o.model = model.string();
    o.inputs = inputs.string();
    o.outputs = (folder / "out.safetensors").string();
    o.hidden_states = WithHiddenStates::kYes;
    o.load.isa = kernels::supported_isas().back();
    o.session.threads = 2;
    return o;
  }
};

// Where the mask is 0 the golden value is not looked at; ours is 0 there.
void compare(const test::GoldenFile& got, const test::GoldenFile& want, const std::string& name,
             const std::string& batch) {
  std::vector<float> a = got.values<float>(name), b = want.values<float>(name);
  ASSERT_EQ(got.shape(name), want.shape(name)) << name;
  const std::string mask_name = batch + ".attention_mask";
  const auto ids = want.values<std::int64_t>(batch + ".input_ids");
  const bool per_row = name.ends_with("sentence_embedding") || name.ends_with("pooler_output");
  if (want.has(mask_name) && !per_row && a.size() % ids.size() == 0) {
    const auto mask = want.values<std::int64_t>(mask_name);
    const std::size_t C = a.size() / mask.size();
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (mask[i / C] != 0) continue;
      ASSERT_EQ(a[i], 0.0f) << name << " at a masked place";
      b[i] = 0;
    }
  }
  test::expect_close(a, b, name);
}

TEST_F(Forward, WritesWhatTheGoldensHave) {
  LINNET_NEEDS(goldens);
  int files = 0, tensors = 0;
  for (const auto& entry : fs::directory_iterator(goldens)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name.starts_with("bert_") || name.starts_with("distilbert_") ||
                      name.starts_with("st_") || name.starts_with("ce_") ||
                      (name.starts_with("gpt2_") && fs::exists(entry.path() / "config.json"));
    if (!ours) continue;
    SCOPED_TRACE(name);
    ++files;
    const fs::path inputs = entry.path() / "io.safetensors";
    ASSERT_NO_THROW(forward(options(entry.path(), inputs)));
    const test::GoldenFile got(folder / "out.safetensors"), want(inputs);
    for (const std::string& batch : want.batches()) {
      if (!batch.starts_with("b") || !want.has(batch + ".input_ids")) continue;
      for (const char* output :
           {"last_hidden_state", "pooler_output", "logits", "start_logits", "end_logits",
            "prediction_logits", "seq_relationship_logits", "sentence_embedding",
            "token_embeddings", "hidden_states.0", "hidden_states.1", "hidden_states.2"}) {
        const std::string full = batch + "." + output;
        if (!want.has(full)) continue;
        ASSERT_TRUE(got.has(full)) << full;
        compare(got, want, full, batch);
        ++tensors;
      }
    }
  }
  EXPECT_GE(files, 75);
  EXPECT_GE(tensors, 700);
}

TEST_F(Forward, LabelsGiveTheLoss) {
  LINNET_NEEDS(goldens);
  int losses = 0;
  for (const auto& entry : fs::directory_iterator(goldens)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name.starts_with("bert_") || name.starts_with("distilbert_") ||
                      (name.starts_with("gpt2_") && fs::exists(entry.path() / "config.json"));
    if (!ours) continue;
    const fs::path inputs = entry.path() / "io.safetensors";
    const test::GoldenFile want(inputs);
    if (!want.has("b0.loss")) continue;
    SCOPED_TRACE(name);
    ForwardOptions o = options(entry.path(), inputs);
    o.labels = WithLabels::kYes;
    ASSERT_NO_THROW(forward(o));
    const test::GoldenFile got(folder / "out.safetensors");
    for (const std::string& batch : want.batches()) {
      if (!want.has(batch + ".loss")) continue;
      const float loss = want.values<float>(batch + ".loss")[0];
      EXPECT_NEAR(got.values<float>(batch + ".loss")[0], loss, 1e-5 * std::max(1.0f, loss))
          << batch;
      ++losses;
    }
  }
  EXPECT_GE(losses, 95);
}

class ForwardGradients : public Forward, public testing::WithParamInterface<const char*> {};

TEST_P(ForwardGradients, OfEveryParameter) {
  const fs::path golden = goldens / GetParam();
  LINNET_NEEDS(golden);
  const test::GoldenFile data(golden / "data.safetensors"), want(golden / "grads.safetensors");
  // Rows batch_order[0] as batch b0.
  const auto order = data.values<std::int64_t>("batch_order");
  std::deque<std::vector<std::int64_t>> kept;
  std::vector<TensorToWrite> tensors;
  for (const char* name : {"input_ids", "attention_mask", "token_type_ids", "labels",
                           "start_positions", "end_positions"}) {
    if (!data.has(std::string("data.") + name)) continue;
    const auto all = data.values<std::int64_t>(std::string("data.") + name);
    auto shape = data.shape(std::string("data.") + name);
    const std::int64_t width = shape.size() == 2 ? shape[1] : 1;
    std::vector<std::int64_t>& rows = kept.emplace_back();
    for (std::size_t i = 0; i < 8; ++i) {
      const auto begin = all.begin() + order[i] * width;
      rows.insert(rows.end(), begin, begin + width);
    }
    shape[0] = 8;
    tensors.push_back(
        {std::string("b0.") + name, DType::kI64, shape, std::as_bytes(std::span(rows))});
  }
  const fs::path inputs = folder / "in.safetensors";
  weights::write_safetensors(inputs.string(), tensors);
  ForwardOptions o = options(golden, inputs);
  o.labels = WithLabels::kYes;
  o.gradients = (folder / "gradients.safetensors").string();
  forward(o);
  const test::GoldenFile got(folder / "gradients.safetensors");
  EXPECT_NEAR(got.values<float>("loss")[0], want.values<float>("loss")[0], 1e-5);
  EXPECT_EQ(got.count("grad."), want.count("grad."));
  const weights::Checkpoint checkpoint(golden);
  double greatest = 0;
  for (const auto& tensor : checkpoint.tensors()) {
    for (const float g : want.values<float>("grad." + std::string(tensor.name))) {
      greatest = std::max(greatest, std::abs(double{g}));
    }
  }
  for (const auto& tensor : checkpoint.tensors()) {
    const std::string name = "grad." + std::string(tensor.name);
    EXPECT_EQ(got.shape(name), want.shape(name));
    test::expect_close(got.values<float>(name), want.values<float>(name), name, 2e-5 * greatest);
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, ForwardGradients,
                         testing::Values("train_bert_seqcls", "train_bert_tokcls", "train_bert_mlm",
                                         "train_distilbert_qa", "train_gpt2_lm"),
                         [](const auto& p) { return std::string(p.param); });

TEST_F(Forward, ChunksGoThroughTheCache) {
  const fs::path golden = goldens / "gpt2_kv_cache";
  LINNET_NEEDS(golden);
  ForwardOptions o = options(golden, golden / "io.safetensors");
  o.chunks = {7, 1, 1, 5, 6};
  forward(o);
  const test::GoldenFile got(folder / "out.safetensors"), want(golden / "io.safetensors");
  const auto mask = want.values<std::int64_t>("attention_mask");
  // Zeros where the mask is 0: rows of `width` values at columns [begin, begin + T) of each row.
  const auto masked = [&](std::vector<float> v, std::size_t begin, std::size_t T, std::size_t inner,
                          std::size_t width) {
    for (std::size_t i = 0; i < v.size(); ++i) {
      const std::size_t column = begin + i / width % T, row = i / width / T / inner;
      if (mask[row * 20 + column] == 0) v[i] = 0;
    }
    return v;
  };
  std::size_t begin = 0;
  for (std::size_t i = 0; i < o.chunks.size(); ++i) {
    const std::string name = "chunk" + std::to_string(i) + ".logits";
    const auto T = static_cast<std::size_t>(o.chunks[i]);
    test::expect_close(got.values<float>(name), masked(want.values<float>(name), begin, T, 1, 211),
                       name);
    begin += T;
  }
  test::expect_close(got.values<float>("full.logits"),
                     masked(want.values<float>("full.logits"), 0, 20, 1, 211), "full.logits");
  for (const char* name : {"cache.0.key", "cache.0.value", "cache.1.key", "cache.1.value"}) {
    test::expect_close(got.values<float>(name), masked(want.values<float>(name), 0, 20, 3, 16),
                       name);
  }
}

TEST_F(Forward, RefusesChunksThatAreWrong) {
  const fs::path golden = goldens / "gpt2_kv_cache";
  LINNET_NEEDS(golden);
  const auto refused = [&](const fs::path& model, std::vector<std::int64_t> chunks,
                           const std::string& message) {
    ForwardOptions o = options(model, model / "io.safetensors");
    o.chunks = std::move(chunks);
    try {
      forward(o);
      ADD_FAILURE() << "accepted, expected: " << message;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(message), std::string::npos) << e.what();
    }
  };
  refused(golden, {7, 1}, "8 columns together, the batch has 20");
  refused(golden, {7, 0, 13}, "a chunk of 0 tokens");
  refused(golden, {21}, "a chunk of 21 tokens");
  refused(goldens / "gpt2_qa", {17}, "language-model head");
  refused(goldens / "bert_base", {17}, "key/value cache");
}

struct BadInput {
  const char* message;
  std::function<void(std::vector<TensorToWrite>&)> damage;
};

TEST_F(Forward, RefusesInputsThatAreWrong) {
  LINNET_NEEDS(goldens / "bert_base");
  static const std::vector<std::int64_t> ids{1, 2, 3, 4}, big{1, 2, 3, 1LL << 40}, zeros(4),
      twos(4, 2), far(4, 4096), beyond{1, 2, 3, 99999};
  static const std::vector<std::int32_t> narrow{1, 2, 3, 4};
  const auto tensor = [](const char* name, const std::vector<std::int64_t>& v,
                         std::vector<std::int64_t> shape) {
    return TensorToWrite{name, DType::kI64, std::move(shape), std::as_bytes(std::span(v))};
  };
  const std::vector<BadInput> cases{
      {"input_ids", [](auto& t) { t[0].name = "ids"; }},
      {"expected I64",
       [](auto& t) {
         t[0].dtype = DType::kI32;
         t[0].bytes = std::as_bytes(std::span(narrow));
       }},
      {"expected [B, T] or [B, choices, T]", [](auto& t) { t[0].shape = {4}; }},
      {"32 bits", [](auto& t) { t[0].bytes = std::as_bytes(std::span(big)); }},
      {"without a token",
       [&](auto& t) {
         t.push_back(tensor("attention_mask", zeros, {2, 2}));
       }},
      {"expected 0 or 1",
       [&](auto& t) {
         t.push_back(tensor("attention_mask", twos, {2, 2}));
       }},
      {"expected that of input_ids",
       [&](auto& t) { t.push_back(tensor("attention_mask", ids, {4})); }},
      {"token id 99999", [](auto& t) { t[0].bytes = std::as_bytes(std::span(beyond)); }},
      {"position 4096",
       [&](auto& t) {
         t.push_back(tensor("position_ids", far, {2, 2}));
       }},
  };
  const fs::path inputs = folder / "in.safetensors";
  for (const BadInput& bad : cases) {
    std::vector<TensorToWrite> tensors{tensor("input_ids", ids, {2, 2})};
    bad.damage(tensors);
    weights::write_safetensors(inputs.string(), tensors);
    try {
      forward(options(goldens / "bert_base", inputs));
      ADD_FAILURE() << "accepted, expected: " << bad.message;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(bad.message), std::string::npos) << e.what();
      EXPECT_FALSE(fs::exists(folder / "out.safetensors"));
    }
    fs::remove(folder / "out.safetensors");
  }
  EXPECT_THROW(forward(options(goldens / "bert_base", folder / "nothing.safetensors")), Error);
  EXPECT_THROW(forward(options(goldens / "nothing", inputs)), Error);
}

}  // namespace
}  // namespace linnet::tools
