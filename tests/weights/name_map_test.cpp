#include "weights/name_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_dir.h"

namespace linnet::weights {
namespace {

using test::TensorBytes;

bool contains(const std::string& text, std::string_view part) {
  if (text.find(part) != text.npos) return true;
  ADD_FAILURE() << text << "\nlacks: " << part;
  return false;
}

// A small model: two tables, a layer with a norm, a head whose decoder is tied to the words.
std::vector<TensorRule> table() {
  std::vector<TensorRule> rules(6);
  rules[0] = {.name = "embeddings.word.weight", .shape = {4, 2}};
  rules[1] = {.name = "encoder.layer.0.dense.weight", .shape = {2, 2}};
  rules[2] = {.name = "encoder.layer.0.LayerNorm.weight", .shape = {2}};
  rules[3] = {.name = "encoder.layer.0.LayerNorm.bias", .shape = {2}};
  rules[4] = {.name = "cls.decoder.weight",
              .shape = {4, 2},
              .scope = Scope::kHead,
              .tied_to = "embeddings.word.weight"};
  rules[5] = {
      .name = "cls.bias", .shape = {4}, .presence = Presence::kOptional, .scope = Scope::kHead};
  return rules;
}
NameSpelling spelling() {
  return {"embeddings.word.weight",
          {"bert.", "", "model.bert.", "module."},
          {{"transformer.layer.", "encoder.layer."}}};
}

TensorBytes zeros(std::string name, std::vector<std::int64_t> shape, std::string dtype = "F32",
                  char fill = '\0') {
  const std::int64_t bytes = *bytes_of(*parse_dtype(dtype), shape);
  return {std::move(name), std::move(dtype), std::move(shape),
          std::string(static_cast<std::size_t>(bytes), fill)};
}
std::vector<TensorBytes> encoder(const std::string& prefix,
                                 const std::string& layer = "encoder.layer.0.") {
  return {zeros(prefix + "embeddings.word.weight", {4, 2}),
          zeros(prefix + layer + "dense.weight", {2, 2}),
          zeros(prefix + layer + "LayerNorm.weight", {2}),
          zeros(prefix + layer + "LayerNorm.bias", {2})};
}
std::vector<TensorBytes> with(std::vector<TensorBytes> tensors, std::vector<TensorBytes> more) {
  tensors.insert(tensors.end(), more.begin(), more.end());
  return tensors;
}

// A checkpoint on disk and what becomes of its names.
struct Mapped {
  test::TempDir dir;
  std::optional<Checkpoint> checkpoint;
  std::vector<TensorRule> rules;
  NameMap map;

  explicit Mapped(const std::vector<TensorBytes>& tensors,
                  Unexpected unexpected = Unexpected::kWarn,
                  std::vector<TensorRule> with_rules = table())
      : rules(std::move(with_rules)) {
    dir.write("config.json", "{}");
    dir.write("model.safetensors", test::safetensors_bytes(tensors));
    checkpoint.emplace(dir.path());
    map = map_names(*checkpoint, rules, spelling(), unexpected);
  }
  std::string original(std::size_t rule) const {
    return map.tensors[rule] == nullptr ? "(none)" : std::string(map.tensors[rule]->name);
  }
  const NameAccount& account(const std::string& name) const {
    return *std::find_if(map.account.begin(), map.account.end(),
                         [&](const auto& a) { return a.original == name; });
  }
};
std::string refused(const std::vector<TensorBytes>& tensors,
                    Unexpected unexpected = Unexpected::kWarn) {
  return test::error_of(ErrorCode::kFormat, [&] { Mapped m(tensors, unexpected); });
}

TEST(NameMap, FindsTensorsUnderEachPrefix) {
  for (const std::string prefix : {"bert.", "", "model.bert.", "module."}) {
    const Mapped m(encoder(prefix));
    EXPECT_EQ(m.map.prefix, prefix);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(m.original(i), prefix + m.rules[i].name);
    EXPECT_EQ(m.original(5), "(none)");
    EXPECT_EQ(m.map.account.size(), 4u);
    EXPECT_TRUE(m.map.warnings.empty());
  }
}

TEST(NameMap, FindsHeadsWithAndWithoutPrefix) {
  const std::pair<std::string, std::string> cases[] = {
      {"bert.", ""},          {"", ""},          {"model.bert.", "model."}, {"model.bert.", ""},
      {"module.", "module."}, {"bert.", "bert."}};
  for (const auto& [prefix, head] : cases) {
    const Mapped m(with(encoder(prefix), {zeros(head + "cls.bias", {4})}));
    EXPECT_EQ(m.original(5), head + "cls.bias") << prefix;
    EXPECT_EQ(m.account(head + "cls.bias").name, "cls.bias");
  }
}

TEST(NameMap, RefusesTwoPrefixes) {
  contains(refused(with(encoder("bert."), encoder(""))),
           "tensor \"embeddings.word.weight\" stands there under two prefixes, \"bert.\" and \"\"");
}

// A base tensor outside the prefix is not the model's.
TEST(NameMap, TakesNoBaseTensorFromOutsideThePrefix) {
  std::vector<TensorBytes> tensors = encoder("bert.");
  tensors[1].name = "encoder.layer.0.dense.weight";
  contains(refused(tensors),
           "these tensors are missing:\n  encoder.layer.0.dense.weight [2, 2], nearest name found: "
           "\"encoder.layer.0.dense.weight\"");
}

TEST(NameMap, ReadsOtherSpellings) {
  const Mapped m(encoder("bert.", "transformer.layer.0."));
  EXPECT_EQ(m.original(1), "bert.transformer.layer.0.dense.weight");
  EXPECT_EQ(m.account("bert.transformer.layer.0.dense.weight").name,
            "encoder.layer.0.dense.weight");
}

TEST(NameMap, ReadsGammaAndBeta) {
  std::vector<TensorBytes> tensors = encoder("bert.");
  tensors[2].name = "bert.encoder.layer.0.LayerNorm.gamma";
  const Mapped mixed(tensors);
  EXPECT_EQ(mixed.original(2), "bert.encoder.layer.0.LayerNorm.gamma");
  EXPECT_EQ(mixed.original(3), "bert.encoder.layer.0.LayerNorm.bias");
  tensors[3].name = "bert.encoder.layer.0.LayerNorm.beta";
  const Mapped old(tensors);
  EXPECT_EQ(old.original(3), "bert.encoder.layer.0.LayerNorm.beta");
  EXPECT_EQ(old.account(old.original(3)).name, "encoder.layer.0.LayerNorm.bias");
  // Only these two, and only as whole components at the end.
  const Mapped others(
      with(encoder(""), {zeros("x.gamma", {2}), zeros("encoder.layer.0.MyLayerNorm.gamma", {2}),
                         zeros("encoder.layer.0.LayerNorm.gamma.x", {2})}));
  EXPECT_EQ(others.map.warnings.size(), 3u);
  EXPECT_EQ(others.account("encoder.layer.0.MyLayerNorm.gamma").fate, Fate::kUnexpected);
}

TEST(NameMap, RefusesTwoSpellingsOfOneTensor) {
  contains(refused(with(encoder(""), {zeros("encoder.layer.0.LayerNorm.gamma", {2})})),
           "tensors \"encoder.layer.0.LayerNorm.gamma\" and \"encoder.layer.0.LayerNorm.weight\" "
           "are the same one in "
           "two spellings");
  contains(refused(with(encoder(""), {zeros("transformer.layer.0.dense.weight", {2, 2})})),
           "in two spellings");
  contains(refused(with(encoder("bert."), {zeros("cls.bias", {4}), zeros("bert.cls.bias", {4})})),
           "in two spellings");
}

TEST(NameMap, LetsADecoderBeTied) {
  const std::vector<TensorBytes> base = encoder("bert.");
  const Mapped absent(base);
  EXPECT_EQ(absent.map.tensors[4], nullptr);
  EXPECT_EQ(absent.map.ties[4], Tie::kStandsIn);
  const Mapped equal(with(base, {zeros("cls.decoder.weight", {4, 2})}));
  EXPECT_EQ(equal.map.ties[4], Tie::kEqual);
  EXPECT_TRUE(equal.map.warnings.empty());
  const Mapped different(with(base, {zeros("cls.decoder.weight", {4, 2}, "F32", 'x')}));
  EXPECT_EQ(different.map.ties[4], Tie::kDifferent);
  EXPECT_EQ(different.original(4), "cls.decoder.weight");
  ASSERT_EQ(different.map.warnings.size(), 1u);
  contains(different.map.warnings[0], "differs from \"bert.embeddings.word.weight\"");
  const Mapped other_type(with(base, {zeros("cls.decoder.weight", {4, 2}, "F16")}));
  EXPECT_EQ(other_type.map.ties[4], Tie::kDifferent);
  for (std::size_t i : {0u, 1u, 5u}) EXPECT_EQ(absent.map.ties[i], Tie::kNone);
}

TEST(NameMap, RefusesATiedDecoderWithoutItsTwin) {
  std::vector<TensorBytes> tensors = encoder("");
  tensors.erase(tensors.begin());
  const std::string message = refused(tensors);
  contains(message, "\n  embeddings.word.weight [4, 2]");
  contains(message, "\n  cls.decoder.weight [4, 2]");
}

TEST(NameMap, DropsBuffersOfAnyType) {
  for (const char* dtype : {"F32", "U8", "BOOL", "I64"}) {
    const std::vector<TensorBytes> buffers{zeros("bert.embeddings.position_ids", {1, 4}, dtype),
                                           zeros("bert.embeddings.token_type_ids", {1, 4}, dtype),
                                           zeros("h.0.attn.bias", {1, 1, 2, 2}, dtype),
                                           zeros("h.0.attn.masked_bias", {}, dtype)};
    const Mapped m(with(encoder("bert."), buffers));
    EXPECT_TRUE(m.map.warnings.empty());
    for (const TensorBytes& b : buffers) EXPECT_EQ(m.account(b.name).fate, Fate::kBuffer) << b.name;
  }
  // Names that only look so.
  const Mapped m(with(encoder(""), {zeros("h.0.attn.bias", {2}), zeros("xposition_ids", {2}),
                                    zeros("x.token_type_ids", {2})}));
  EXPECT_EQ(m.map.warnings.size(), 3u);
}

TEST(NameMap, ListsAllMissingTensorsWithTheNearestName) {
  std::vector<TensorBytes> tensors = encoder("bert.");
  tensors[1].name = "bert.encoder.layer.0.dens.weight";
  tensors.erase(tensors.begin() + 2, tensors.begin() + 4);
  const std::string message = refused(tensors);
  contains(message,
           "these tensors are missing:\n  encoder.layer.0.dense.weight [2, 2], nearest name found: "
           "\"bert.encoder.layer.0.dens.weight\"\n  encoder.layer.0.LayerNorm.weight [2]\n  "
           "encoder.layer.0.LayerNorm.bias [2]");
}

TEST(NameMap, RefusesAnotherShape) {
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{5, 2}, {2, 4}, {8}, {4, 2, 1}, {}}) {
    std::vector<TensorBytes> tensors = encoder("bert.");
    tensors[0] = zeros("bert.embeddings.word.weight", shape);
    contains(refused(tensors), "tensor \"bert.embeddings.word.weight\" has shape " +
                                   shape_text(shape) + ", expected [4, 2]");
  }
}

TEST(NameMap, TakesTheFloatTypes) {
  for (const std::string dtype : {"F32", "F16", "BF16", "F64"}) {
    std::vector<TensorBytes> tensors = encoder("");
    tensors[1] = zeros(tensors[1].name, {2, 2}, dtype);
    Mapped m(tensors);
    EXPECT_TRUE(m.map.warnings.empty());
    warn_of_rounding(m.map);
    EXPECT_EQ(m.map.warnings.size(), dtype == "F64" ? 1u : 0u);
    if (dtype == "F64") contains(m.map.warnings[0], "1 tensors are F64 and get rounded");
  }
  for (const std::string dtype : {"I64", "U8", "I8", "BOOL", "F8_E4M3", "C64"}) {
    std::vector<TensorBytes> tensors = encoder("");
    tensors[1] = zeros(tensors[1].name, {2, 2}, dtype);
    contains(refused(tensors), "is stored as " + dtype + ", expected F32, F16, BF16 or F64");
  }
}

TEST(NameMap, AccountsForEveryTensor) {
  std::vector<TensorRule> rules = table();
  rules.push_back({.name = "pooler.weight", .shape = {2, 2}, .presence = Presence::kUnused});
  const Mapped m(
      with(encoder("bert."), {zeros("bert.pooler.weight", {9}, "I64"), zeros("extra\\u001b", {1}),
                              zeros("bert.embeddings.position_ids", {1, 4}, "I64")}),
      Unexpected::kWarn, rules);
  EXPECT_EQ(m.map.account.size(), 7u);
  EXPECT_TRUE(std::is_sorted(m.map.account.begin(), m.map.account.end(),
                             [](const auto& a, const auto& b) { return a.original < b.original; }));
  EXPECT_EQ(m.account("bert.pooler.weight").fate, Fate::kUnused);  // whatever its shape
  EXPECT_EQ(m.account("bert.embeddings.word.weight").fate, Fate::kUsed);
  EXPECT_EQ(m.account("bert.embeddings.position_ids").fate, Fate::kBuffer);
  // A name is data: it cannot reach a terminal as it is.
  EXPECT_EQ(m.account("extra\x1b").fate, Fate::kUnexpected);
  ASSERT_EQ(m.map.warnings.size(), 1u);
  EXPECT_EQ(m.map.warnings[0], "tensor \"extra\\u{001b}\" belongs to nothing in this model");
}

TEST(NameMap, RefusesUnexpectedTensorsOnRequest) {
  const std::vector<TensorBytes> tensors =
      with(encoder("bert."), {zeros("x", {1}), zeros("y.z", {1})});
  EXPECT_EQ(Mapped(tensors).map.warnings.size(), 2u);
  contains(refused(tensors, Unexpected::kRefuse),
           "these tensors belong to nothing in this model:\n  \"x\"\n  \"y.z\"");
  EXPECT_TRUE(Mapped(encoder("bert."), Unexpected::kRefuse).map.warnings.empty());
}

// Ten thousand names that fit nowhere cost neither time nor pages of text.
TEST(NameMap, ListsAHundredOfManyUnexpectedTensors) {
  std::vector<TensorBytes> tensors = encoder("bert.");
  for (int i = 0; i < 10'000; ++i)
    tensors.push_back(zeros("bert.encoder.layer.0.dense." + std::to_string(i), {0}));
  EXPECT_EQ(Mapped(tensors).map.warnings.size(), 101u);
  contains(refused(tensors, Unexpected::kRefuse), "and 9900 more tensors");
  tensors.erase(tensors.begin() + 1);
  EXPECT_LT(refused(tensors).size(), 1000u);
}

// Without the anchor, as in a file that has no embeddings.
TEST(NameMap, GuessesThePrefixForTheListOfMissingTensors) {
  std::vector<TensorBytes> tensors = encoder("model.bert.");
  tensors.erase(tensors.begin());
  const std::string message = refused(tensors);
  contains(
      message,
      "these tensors are missing:\n  embeddings.word.weight [4, 2]\n  cls.decoder.weight [4, 2]");
  EXPECT_EQ(message.find("encoder"), message.npos);
}

TEST(NameMap, RefusesATableWithTwoRulesOfOneName) {
  std::vector<TensorRule> rules = table();
  rules.push_back(rules[0]);
  test::error_of(ErrorCode::kInvalidArgument,
                 [&] { Mapped m(encoder(""), Unexpected::kWarn, rules); });
}

}  // namespace
}  // namespace linnet::weights
