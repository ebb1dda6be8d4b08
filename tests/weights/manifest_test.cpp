// linnet.json: written and read again, and refused for everything that is not what we write.
#include "weights/manifest.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"
#include "weights/checkpoint.h"

namespace linnet::weights {
namespace {

using test::error_of;
using test::TempDir;

Manifest example() {
  Manifest m;
  m.source_name = "model";
  m.source_revision = "abc";
  m.source = {{"config.json", 12, {1, 2}}, {"model.safetensors", 34, {3, 4}}};
  m.model_type = "bert";
  m.head = "masked-lm";
  m.dtype = "F16";
  ManifestTensor words{"a.words",     DType::kF32, {3, 2},      Fate::kUsed,
                       Kept::kStored, "",          DType::kF16, 5};
  ManifestTensor tied = words;
  tied.original = "a.decoder";
  tied.kept = Kept::kTied;
  tied.tied_to = "words";
  ManifestTensor ids{"ids", DType::kI64, {1, 4}, Fate::kBuffer, Kept::kConstant, "", {}, 0};
  m.tensors = {{"words", words}, {"decoder", tied}, {"ids", ids}};
  m.files = {{"config.json", 12, {5, 6}}, {"1_Pooling/config.json", 7, {~0ULL, 8}}};
  return m;
}

class ManifestFileTest : public testing::Test {
 protected:
  std::optional<Manifest> read(const std::string& text) const {
    dir_.write("linnet.json", text);
    return read_manifest(Directory(dir_.path()));
  }
  // The example with one part replaced is refused, and says so.
  void refuses(const std::string& part, const std::string& by, const std::string& message,
               ErrorCode code = ErrorCode::kFormat) const {
    std::string text = manifest_text(example());
    const std::size_t at = text.find(part);
    ASSERT_NE(at, std::string::npos) << part;
    text.replace(at, part.size(), by);
    const std::string got = error_of(code, [&] { read(text); });
    EXPECT_NE(got.find(message), std::string::npos) << got;
    EXPECT_NE(got.find("linnet.json"), std::string::npos) << got;
  }

  TempDir dir_;
};

TEST_F(ManifestFileTest, ComesBackAsItWasWritten) {
  const Manifest m = example();
  const std::string text = manifest_text(m);
  const auto back = read(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(manifest_text(*back), text);
  EXPECT_EQ(back->source_revision, "abc");
  EXPECT_EQ(back->files[1].hash, (Hash128{~0ULL, 8}));
  EXPECT_EQ(back->tensors.at("words").stored, DType::kF16);
  EXPECT_EQ(back->tensors.at("words").rounded, 5);
  EXPECT_EQ(back->tensors.at("decoder").tied_to, "words");
  EXPECT_EQ(back->tensors.at("ids").kept, Kept::kConstant);
  EXPECT_FALSE(read_manifest(Directory(dir_.path().parent_path())));
}

TEST_F(ManifestFileTest, RefusesOtherVersions) {
  const std::string version = "\"format_version\": 1";
  refuses(version, "\"format_version\": 2", "found 2, expected at most 1", ErrorCode::kUnsupported);
  refuses(version, "\"format_version\": 0", "there is no such format");
  refuses(version, "\"format_version\": 1.0", "format_version");
  refuses(version, "\"format_version\": \"1\"", "format_version");
  refuses(version, "\"x\": 1", "format_version");
}

TEST_F(ManifestFileTest, ACheckpointOfANewerFormatIsRefused) {
  dir_.write("config.json", "{}");
  dir_.write("linnet.json", R"({"format_version": 2})");
  const std::string message =
      error_of(ErrorCode::kUnsupported, [&] { Checkpoint checkpoint(dir_.path()); });
  EXPECT_NE(message.find("newer"), std::string::npos) << message;
}

TEST_F(ManifestFileTest, RefusesWhatWeDoNotWrite) {
  refuses("\"1_Pooling/config.json\"", "\"../config.json\"", "no plain file name");
  refuses("\"1_Pooling/config.json\"", "\"/etc/passwd\"", "no plain file name");
  refuses("\"1_Pooling/config.json\"", "\"a/b/c\"", "no plain file name");
  refuses("\"1_Pooling/config.json\"", "\"config.json\"", "twice");
  refuses("\"bytes\": 12", "\"bytes\": -1", "bytes");
  refuses("00000000000000010000000000000002", "0000000000000001", "32 hexadecimal digits");
  refuses("00000000000000010000000000000002", "000000000000000g0000000000000002", "hexadecimal");
  refuses("\"f16\"", "\"F16\"", "unknown number format");
  refuses("\"f16\"", "\"i8_packed\"", "unknown number format");
  refuses("\"fate\": \"buffer\"", "\"fate\": \"lost\"", "unknown word");
  refuses("\"kept\": \"constant\"", "\"kept\": \"stored\"", "does not list all");
  refuses("\"kept\": \"stored\"", "\"kept\": \"constant\"", "no stored tensor");
  refuses("\"transposed\": false", "\"transposed\": true", "transposes nothing");
  refuses("\"tied_to\": \"words\"", "\"tied_to\": \"ids\"", "tied to none of its kind");
  refuses("\"tied_to\": \"words\"", "\"tied_to\": \"decoder\"", "tied to none of its kind");
  refuses("        3,\n", "        4,\n", "tied to none of its kind");  // the first is decoder's
  refuses("\"original\": \"a.decoder\"", "\"original\": \"a.words\"", "two tensors come from");
  refuses("\"step\": \"convert\"", "\"step\": \"prune\"", "unknown step");
  refuses("\"step\": \"convert\"", "\"step\": \"quantize\"", "scheme");
  refuses("\"dtype\": \"I64\"", "\"dtype\": \"i64\"", "unknown type");
  refuses("        4\n", "        9223372036854775807\n", "too large");
  refuses("\"names\"", "\"nomes\"", "names");
}

// The words are rows in INT8, query and key one packed layer.
Manifest quantized() {
  Manifest m = example();
  ManifestTensor query{"a.q", DType::kF32, {5, 192}, Fate::kUsed, Kept::kQuantized,
                       "",    {},          0,        "qk"};
  ManifestTensor key = query;
  key.original = "a.k";
  key.shape = {4, 192};
  m.tensors["words"].kept = Kept::kQuantized;
  m.tensors["words"].layer = "words";
  m.tensors["query"] = query;
  m.tensors["key"] = key;
  ManifestLayer words;
  words.format = LayerFormat::kRows;
  words.N = 3;
  words.K = 2;
  words.of = {"words"};
  ManifestLayer qk;
  qk.N = 9;
  qk.K = 192;
  qk.of = {"query", "key"};
  qk.n = 4;
  qk.thirds = qk.factors = true;
  m.layers = {{"words", words}, {"qk", qk}};
  m.quantization = {"calibrated", "i8", "news.txt", 4096, {"output"}};
  m.quality = {{"cosine", "sst2", {7, 8}, 872, 1, 0.9995}};
  return m;
}

TEST_F(ManifestFileTest, AQuantizedModelComesBack) {
  const std::string text = manifest_text(quantized());
  const auto back = read(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(manifest_text(*back), text);
  EXPECT_EQ(back->layers.at("qk").of, (std::vector<std::string>{"query", "key"}));
  EXPECT_TRUE(back->layers.at("qk").thirds && back->layers.at("qk").factors);
  EXPECT_FALSE(back->layers.at("qk").in_lane);
  EXPECT_EQ(back->quantization->kept_fp32, std::vector<std::string>{"output"});
  EXPECT_EQ(back->quality[0].after, 0.9995);
}

TEST_F(ManifestFileTest, RefusesLayersThatContradictThemselves) {
  const auto refuses_quantized = [&](const std::string& part, const std::string& by,
                                     const std::string& message) {
    std::string text = manifest_text(quantized());
    const std::size_t at = text.find(part);
    ASSERT_NE(at, std::string::npos) << part;
    text.replace(at, part.size(), by);
    const std::string got = error_of(ErrorCode::kFormat, [&] { read(text); });
    EXPECT_NE(got.find(message), std::string::npos) << got;
  };
  refuses_quantized("\"i8_packed\"", "\"i3_packed\"", "unknown number format");
  refuses_quantized("\"i8_packed\"", "\"i8_rows\"", "neither rotation nor factors");
  refuses_quantized("\"N\": 9", "\"N\": 10", "has 10 rows, its weights 9");
  refuses_quantized("\"N\": 9", "\"N\": 8", "is not made of \"key\"");
  refuses_quantized("\"K\": 192", "\"K\": 128", "does not divide");
  refuses_quantized("\"K\": 192", "\"K\": 65537", "65536");
  refuses_quantized("\"n\": 4", "\"n\": 3", "power of two");
  refuses_quantized("\"n\": 4", "\"n\": 8", "power of two up to 32 that divides 12");
  refuses_quantized("\"n\": 4", "\"n\": 64", "32");
  refuses_quantized("\"layer\": \"qk\"", "\"layer\": \"words\"", "is not made of");
  refuses_quantized("\"query\",\n", "\"words\",\n", "is not made of");
  refuses_quantized("\"attention\": \"i8\"", "\"attention\": \"i4\"", "expected \"f32\" or");
  refuses_quantized("\"step\": \"quantize\"", "\"step\": \"prune\"", "unknown step");
  refuses_quantized("\"layers\"", "\"loyers\"", "belong together");
  refuses_quantized("\"kept\": \"quantized\"", "\"kept\": \"constant\"", "is not made of");
}

// A weight that is counted twice would hide one that no layer has room for.
TEST_F(ManifestFileTest, AWeightIsInALayerOnce) {
  Manifest m = quantized();
  m.layers.at("qk").of = {"query", "query"};
  m.layers.at("qk").N = 10;
  const std::string text = manifest_text(m);
  const std::string message = error_of(ErrorCode::kFormat, [&] { read(text); });
  EXPECT_NE(message.find("layer \"qk\" is not made of \"query\""), std::string::npos) << message;
}

TEST_F(ManifestFileTest, AWeightIsInSomeLayer) {
  Manifest m = quantized();
  m.tensors["third"] = m.tensors["key"];
  m.tensors["third"].original = "a.third";
  const std::string text = manifest_text(m);
  const std::string message = error_of(ErrorCode::kFormat, [&] { read(text); });
  EXPECT_NE(message.find("is in no layer"), std::string::npos) << message;
}

TEST_F(ManifestFileTest, TwoTensorsAreNotTiedToOne) {
  Manifest m = example();
  m.tensors["third"] = m.tensors["decoder"];
  m.tensors["third"].original = "a.third";
  const std::string text = manifest_text(m);
  const std::string message = error_of(ErrorCode::kFormat, [&] { read(text); });
  EXPECT_NE(message.find("two tensors are tied to one"), std::string::npos) << message;
}

TEST_F(ManifestFileTest, IsNotLargerThanItsReaderTakes) {
  Manifest m;
  for (int i = 0; i < 20000; ++i) {
    ManifestTensor t;
    t.original = std::string(50, 'n') + std::to_string(i);
    m.tensors.emplace(t.original, t);
  }
  error_of(ErrorCode::kLimit, [&] { manifest_text(m); });
}

TEST(Constants, HaveTheirFormula) {
  const auto i64 = [](std::vector<std::int64_t> values) {
    return std::string(reinterpret_cast<const char*>(values.data()), 8 * values.size());
  };
  EXPECT_EQ(constant_of("x.position_ids", DType::kI64, {1, 3}), i64({0, 1, 2}));
  EXPECT_EQ(constant_of("x.position_ids", DType::kI64, {2, 2}), i64({0, 1, 0, 1}));
  EXPECT_EQ(constant_of("embeddings.token_type_ids", DType::kI64, {1, 2}), i64({0, 0}));
  EXPECT_EQ(constant_of("h.0.attn.bias", DType::kU8, {1, 1, 2, 2}), std::string("\1\0\1\1", 4));
  EXPECT_EQ(constant_of("h.0.attn.bias", DType::kU8, {1, 2, 2, 2}),
            std::string("\1\0\1\1\1\0\1\1", 8));
  EXPECT_EQ(constant_of("h.0.attn.bias", DType::kF16, {1, 1, 1, 2}), std::string("\0\x3C\0\0", 4));
  EXPECT_EQ(constant_of("h.0.attn.masked_bias", DType::kF32, {}), std::string("\0\x40\x1C\xC6", 4));
  EXPECT_EQ(constant_of("x.position_ids", DType::kI64, {1, 0}), "");
  EXPECT_FALSE(constant_of("x.position_ids", DType::kF32, {1, 2}));
  EXPECT_FALSE(constant_of("x.position_ids", DType::kI64, {1, 1 << 30}));
  EXPECT_FALSE(constant_of("h.0.attn.bias", DType::kF32, {12}));
  EXPECT_FALSE(constant_of("weight", DType::kI64, {1, 2}));
}

}  // namespace
}  // namespace linnet::weights
