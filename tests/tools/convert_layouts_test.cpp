// What convert_weights makes of the layouts in which models are published, and what it refuses.
#include <cmath>
#include <functional>
#include <limits>

#include "tests/tools/convert_fixture.h"
#include "tests/tools/convert_models.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Layouts : public ConvertFixture {
 protected:
  const json& tensor(const json& report, const std::string& original) const {
    for (const json& one : report["tensors"]) {
      if (one["original"] == original) return one;
    }
    throw std::runtime_error("no account of " + original);
  }
  void expect_back() const {
    const Finished done = export_back({"--force"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    expect_same_tensors(back(), model());
  }
};

TEST_F(Layouts, BertBaseUncased) {
  bert_base_uncased().write(dir_);
  const json report = account({"--verify", "--strict"});
  EXPECT_EQ(report["account"]["used"], 4 + 1 + 2 * 16 + 5);
  EXPECT_EQ(report["account"]["unused"], 4);  // pooler, seq_relationship
  EXPECT_EQ(report["account"]["renamed"], 2 * (1 + 2 * 2 + 1));
  EXPECT_EQ(tensor(report, "bert.encoder.layer.1.output.LayerNorm.gamma")["name"],
            "bert.encoder.layer.1.output.LayerNorm.weight");
  EXPECT_EQ(tensor(report, "cls.seq_relationship.bias")["fate"], "unused");
  const auto names = names_in(out());
  EXPECT_TRUE(names.contains("cls.predictions.transform.LayerNorm.bias"));
  EXPECT_TRUE(names.contains("cls.seq_relationship.weight")) << "unused heads are kept";
  for (const std::string& name : names) EXPECT_FALSE(name.ends_with("gamma")) << name;
  expect_back();
}

TEST_F(Layouts, DistilbertWithItsTiedProjector) {
  distilbert_base_uncased().write(dir_);
  const json report = account({"--verify", "--strict"});
  EXPECT_EQ(report["account"]["tied"], 1);
  EXPECT_EQ(tensor(report, "vocab_projector.weight")["tied_to"],
            "distilbert.embeddings.word_embeddings.weight");
  EXPECT_FALSE(names_in(out()).contains("vocab_projector.weight"));
  expect_back();
}

TEST_F(Layouts, SentenceTransformers) {
  SmallModel m = small_bert("");
  m.position_ids("embeddings.position_ids");
  m.write(dir_);
  dir_.write(
      "model/modules.json",
      R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},)"
      R"({"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},)"
      R"({"idx":2,"name":"2","path":"2_Dense","type":"sentence_transformers.models.Dense"}])");
  dir_.write("model/1_Pooling/config.json",
             R"({"word_embedding_dimension": 8, "pooling_mode_mean_tokens": true})");
  dir_.write("model/2_Dense/config.json", R"({"in_features": 8, "out_features": 4, "bias": true})");
  dir_.write("model/2_Dense/model.safetensors", "not looked at when it is copied");
  dir_.write("model/sentence_bert_config.json", R"({"max_seq_length": 10})");
  dir_.write("model/precious.bin", "left where it is");
  const json report = account();
  EXPECT_EQ(report["account"]["constant"], 1);
  EXPECT_EQ(report["not_copied"], json::array({"precious.bin"}));
  for (const char* file : {"modules.json", "1_Pooling/config.json", "2_Dense/config.json",
                           "2_Dense/model.safetensors", "sentence_bert_config.json"}) {
    EXPECT_EQ(dir_.read(std::string("out/") + file), dir_.read(std::string("model/") + file));
  }
  EXPECT_FALSE(names_in(out()).contains("embeddings.position_ids"));
  expect_back();
  EXPECT_EQ(dir_.read("back/2_Dense/model.safetensors"), "not looked at when it is copied");
  EXPECT_FALSE(fs::exists(back() + "/linnet.json"));
}

TEST_F(Layouts, NamesAreThoseOfTheArchitecture) {
  SmallModel m = small_bert("");
  m.config["architectures"] = {"BertForTokenClassification"};
  m.linear("classifier", 2, 8);
  m.write(dir_);
  account();
  EXPECT_TRUE(names_in(out()).contains("bert.embeddings.word_embeddings.weight"));
  EXPECT_TRUE(names_in(out()).contains("classifier.weight"));
  expect_back();
}

TEST_F(Layouts, WrappedPrefixesAreTakenOff) {
  for (const char* prefix : {"encoder.", "model.", "model.bert."}) {
    small_bert(prefix).write(dir_);
    account({"--force", "--strict"});
    EXPECT_TRUE(names_in(out()).contains("embeddings.word_embeddings.weight")) << prefix;
    expect_back();
  }
}

TEST_F(Layouts, ABufferThatIsNoConstantIsKept) {
  SmallModel m = small_bert("");
  m.position_ids("embeddings.position_ids", false);
  m.tensors.push_back({"attn.masked_bias", "F32", {}, std::string("\x00\x40\x1C\xC6", 4)});  // -1e4
  m.tensors.push_back({"attn.bias", "U8", {1, 1, 2, 2}, std::string("\1\0\1\1", 4)});
  m.tensors.push_back({"x.attn.bias", "BOOL", {1, 1, 2, 2}, std::string("\1\1\1\1", 4)});
  m.write(dir_);
  const json report = account({"--verify"});
  EXPECT_EQ(report["account"]["buffers"], 4);
  EXPECT_EQ(report["account"]["constant"], 2);
  EXPECT_TRUE(names_in(out()).contains("embeddings.position_ids"));
  EXPECT_TRUE(names_in(out()).contains("x.attn.bias"));
  expect_back();
}

TEST_F(Layouts, UnknownTensorsAreKeptOrRefused) {
  SmallModel m = small_bert("bert.");
  m.add("adapter.weight", {3});
  m.tensors.push_back({"counter", "I64", {1}, std::string(8, '\5')});
  m.write(dir_);
  const json report = account({"--dtype", "float16"});
  EXPECT_EQ(report["account"]["unexpected"], 2);
  EXPECT_EQ(report["warnings"].size(), 2);
  EXPECT_EQ(tensor(report, "counter")["stored_dtype"], "I64");
  fs::remove_all(out());
  refuses("\"adapter.weight\"", {"--strict"});
  account();
  expect_back();
}

TEST_F(Layouts, Ties) {
  SmallModel equal = bert_base_uncased();
  equal.copy("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight");
  equal.write(dir_);
  EXPECT_EQ(account()["account"]["tied"], 1);
  expect_back();

  equal.config["tie_word_embeddings"] = false;  // then transformers expects both
  equal.write(dir_);
  EXPECT_EQ(account({"--force"})["account"]["tied"], 0);
  EXPECT_TRUE(names_in(out()).contains("cls.predictions.decoder.weight"));

  SmallModel different = bert_base_uncased();
  different.add("cls.predictions.decoder.weight", {12, 8});
  different.write(dir_);
  const json report = account({"--force"});
  EXPECT_EQ(report["account"]["tied"], 0);
  EXPECT_EQ(report["warnings"].size(), 1);
  expect_back();
}

TEST_F(Layouts, TaskSaysWhatConfigDoesNot) {
  SmallModel m = bert_base_uncased();
  m.config.erase("architectures");
  m.config["extra"] = {{"a", json::array({1, 2.5, nullptr, "x", false})}};
  m.write(dir_);
  account({"--task", "fill-mask", "--verify"});
  const json config = json::parse(dir_.read("out/config.json"));
  EXPECT_EQ(config["architectures"], json::array({"BertForMaskedLM"}));
  EXPECT_EQ(config["extra"], m.config["extra"]);
  account({"--force", "--task", "pre-training"});
  EXPECT_EQ(json::parse(dir_.read("out/config.json"))["architectures"][0], "BertForPreTraining");
  account({"--force"});
  EXPECT_EQ(dir_.read("out/config.json"), dir_.read("model/config.json"));
  fs::remove_all(out());
  refuses("qa_outputs.weight [2, 8]\n  qa_outputs.bias [2]", {"--task", "question-answering"});
  EXPECT_EQ(convert(model(), {"--task", "poetry"}).exit_code, 2);
}

TEST_F(Layouts, NumbersThatDoNotFit) {
  SmallModel m = small_bert("");
  const std::string weight = "encoder.layer.0.output.dense.weight";
  m.set(weight, 5, 70000);  // the largest F16 is 65504
  m.write(dir_);
  refuses("tensor \"" + weight + "\": element 5 is too large for F16", {"--dtype", "float16"});
  EXPECT_EQ(account({"--dtype", "bfloat16"})["account"]["converted"], 39);
  fs::remove_all(out());
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    m.set(weight, 5, bad);
    m.write(dir_);
    refuses("tensor \"" + weight + "\": element 5 is not finite");
    EXPECT_EQ(convert(model(), {"--allow-nonfinite", "--verify", "--dtype", "float16"}).exit_code,
              0);
    fs::remove_all(out());
    EXPECT_EQ(convert(model(), {"--allow-nonfinite", "--verify"}).exit_code, 0);
    expect_back();
    fs::remove_all(out());
  }
}

TEST_F(Layouts, BrokenModelsAreRefused) {
  const auto with = [&](const std::string& part, const std::function<void(SmallModel&)>& damage) {
    SmallModel m = small_bert("bert.");
    damage(m);
    m.write(dir_);
    refuses(part);
  };
  with("encoder.layer.1.output.dense.weight [8, 16]",
       [](SmallModel& m) { m.erase("bert.encoder.layer.1.output.dense.weight"); });
  with("are the same one in two spellings", [](SmallModel& m) {
    m.copy("bert.embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.gamma");
  });
  with("under two prefixes", [](SmallModel& m) {
    m.copy("bert.embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight");
  });
  with("has shape [12, 8], expected [13, 8]", [](SmallModel& m) { m.config["vocab_size"] = 13; });
  with("stored as I32", [](SmallModel& m) { m.find("bert.pooler.dense.bias")->dtype = "I32"; });
  with("model_type", [](SmallModel& m) { m.config["model_type"] = "llama"; });
  with("quantization_config",
       [](SmallModel& m) { m.config["quantization_config"] = json::object(); });
  with("would both be named", [](SmallModel& m) {
    SmallModel plain = small_bert("");
    plain.config["architectures"] = {"BertForMaskedLM"};
    plain.linear("cls.predictions.transform.dense", 8, 8);
    plain.norm("cls.predictions.transform.LayerNorm");
    plain.add("cls.predictions.bias", {12});
    plain.add("bert.pooler.dense.bias", {8});
    m = plain;
  });
}

TEST_F(Layouts, PickleIsRefusedWithTheCommandThatConverts) {
  small_bert("").write(dir_);
  fs::rename(model() + "/model.safetensors", model() + "/pytorch_model.bin");
  refuses("python3 -c \"import json, sys, transformers");
  small_bert("").write(dir_);
  EXPECT_EQ(account()["not_copied"], json::array({"pytorch_model.bin"}));
}

TEST_F(Layouts, PickledModulesAreRefusedToo) {
  small_bert("").write(dir_);
  dir_.write("model/modules.json",
             R"([{"idx":0,"path":"","type":"x.Transformer"},{"idx":1,"path":"1_Pooling",)"
             R"("type":"x.Pooling"},{"idx":2,"path":"2_Dense","type":"x.Dense"}])");
  dir_.write("model/1_Pooling/config.json", R"({"word_embedding_dimension": 8})");
  dir_.write("model/2_Dense/config.json", R"({"in_features": 8, "out_features": 4})");
  dir_.write("model/2_Dense/pytorch_model.bin", "pickle");
  refuses("2_Dense/pytorch_model.bin: found only weights in a format that is not read");
}

TEST_F(Layouts, CacheOfTheHub) {
  small_bert("").write(dir_, "hub/models--org--name/blobs");
  const std::string snapshot = dir_.path("hub/models--org--name/snapshots/0123abcd");
  fs::create_directories(snapshot);
  for (const char* file : {"config.json", "model.safetensors"}) {
    fs::create_symlink(std::string("../../blobs/") + file, snapshot + "/" + file);
  }
  const Finished done = convert(snapshot);
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const json manifest = json::parse(dir_.read("out/linnet.json"));
  EXPECT_EQ(manifest["source"]["name"], "models--org--name");
  EXPECT_EQ(manifest["source"]["revision"], "0123abcd");
  EXPECT_EQ(convert(snapshot, {"--force", "--no-follow-symlinks"}).exit_code, 1);
  EXPECT_FALSE(fs::is_symlink(out() + "/model.safetensors"));
}

// A published encoder without its embeddings: all that is missing is listed, and nothing else.
TEST_F(Layouts, WhatIsMissingIsListed) {
  const fs::path encoder = data_dir() / "checkpoints/bert-tiny-sst2-encoder";
  LINNET_NEEDS(encoder);
  dir_.write("model/config.json",
             R"({"architectures": ["BertForSequenceClassification"], "hidden_size": 128,)"
             R"("num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512})");
  fs::copy_file(encoder / "encoder.safetensors", model() + "/model.safetensors");
  const Finished done = convert();
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1 + 5) << done.err;
  for (const char* name : {"word_embeddings.weight", "position_embeddings.weight",
                           "token_type_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias"}) {
    EXPECT_NE(done.err.find(std::string("\n  embeddings.") + name), std::string::npos) << done.err;
  }
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(Layouts, ATokenizerThatDoesNotFit) {
  small_bert("").write(dir_);
  std::string vocabulary;
  for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
    vocabulary += std::string(token) + "\n";
  }
  for (char c = 'a'; c <= 'g'; ++c) vocabulary += std::string(1, c) + "\n";
  dir_.write("model/vocab.txt", vocabulary);
  account();
  fs::remove_all(out());
  dir_.write("model/vocab.txt", vocabulary + "h\n");
  refuses("the tokenizer has 13 tokens, the model only 12");
}

TEST_F(Layouts, FilesAskedFor) {
  small_bert("").write(dir_);
  dir_.write("model/notes.txt", "mine");
  account({"--copy-files", "notes.txt"});
  EXPECT_EQ(dir_.read("out/notes.txt"), "mine");
  fs::remove_all(out());
  refuses("absent.txt: is not there", {"--copy-files", "absent.txt"});
  refuses("is not plain", {"--copy-files", "../model/notes.txt"});
  refuses("cannot be copied", {"--copy-files", "model.safetensors"});
}

TEST_F(Layouts, NothingIsReplacedUnasked) {
  small_bert("").write(dir_);
  dir_.write("out/file", "precious");
  refuses("exists");
  refuses("no model directory, and is not replaced", {"--force"});
  EXPECT_EQ(dir_.read("out/file"), "precious");
  fs::remove_all(out());
  account();
  refuses("exists");
  for (const std::string& place : {model(), dir_.path().string(), model() + "/."}) {
    const Finished done = run({.arguments = {LINNET_CONVERT_WEIGHTS, "--model", model(),
                                             "--output-dir", place, "--force"}});
    EXPECT_EQ(done.exit_code, 1) << place;
  }
  EXPECT_TRUE(fs::exists(model() + "/model.safetensors"));
  const Finished again = run({.arguments = {LINNET_CONVERT_WEIGHTS, "--model", out(),
                                            "--output-dir", dir_.path("twice")}});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.err.find("was converted before"), std::string::npos) << again.err;
}

TEST_F(Layouts, PathsOfAllKinds) {
  small_bert("").write(dir_);
  for (const std::string& name : {std::string("with space"), std::string("not-utf8-\xFF"),
                                  std::string("quote'\"`$(x)"), std::string(200, 'x')}) {
    const std::string target = dir_.path(name);
    const Finished done = run({.arguments = {LINNET_CONVERT_WEIGHTS, "--model", model(),
                                             "--output-dir", target, "--verify"}});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    const Finished exported = run({.arguments = {LINNET_PROGRAM, "export", "--model", target,
                                                 "--output-dir", back(), "--force"}});
    EXPECT_EQ(exported.exit_code, 0) << exported.err;
    expect_same_tensors(back(), model());
  }
  const Finished nowhere = run({.arguments = {LINNET_CONVERT_WEIGHTS, "--model", model(),
                                              "--output-dir", dir_.path("no/such/folder")}});
  EXPECT_EQ(nowhere.exit_code, 1);
}

}  // namespace
}  // namespace linnet::test
