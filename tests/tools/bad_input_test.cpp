// What strangers may put before the program: it says what is wrong, ends with the right code, and
// never crashes, hangs or leaves half a file.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

namespace fs = std::filesystem;

// A small sentence model with tokenizer, pooling and random weights.
fs::path golden_model() { return data_dir() / "goldens/st_mean_normalize"; }

class BadInput : public testing::Test {
 protected:
  void SetUp() override {
    LINNET_NEEDS(golden_model());
    fs::copy(golden_model(), model(), fs::copy_options::recursive);
  }
  fs::path model() const { return dir_.path() / "model"; }
  Finished linnet(std::vector<std::string> words, const std::string& input = "") const {
    words.insert(words.begin(), LINNET_PROGRAM);
    words.insert(words.begin() + 2, {"--model", model().string()});
    return run({.arguments = std::move(words), .input = input});
  }
  // Expects an error that holds `part`, exit code 1 and no output.
  void refuses(std::vector<std::string> words, const std::string& part) const {
    const Finished done = linnet(std::move(words));
    EXPECT_EQ(done.exit_code, 1) << "signal " << done.signal << " " << done.out << done.err;
    EXPECT_EQ(done.out, "");
    EXPECT_EQ(done.err.substr(0, 7), "error: ");
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
  }
  void embed_refuses(const std::string& part) const { refuses({"embed", "text"}, part); }

  TempDir dir_;
};

TEST_F(BadInput, TheSmallModelWorks) {
  const Finished done = linnet({"embed", "text", ""});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 2);
}

TEST_F(BadInput, WrongDirectories) {
  fs::remove_all(model());
  embed_refuses("No such file or directory");
  fs::create_directory(model());
  embed_refuses("config.json");
  fs::remove(model());
  dir_.write("model", "a file");
  embed_refuses("is a file");
}

TEST_F(BadInput, WeightsThatAreNotThere) {
  fs::rename(model() / "model.safetensors", model() / "weights");
  embed_refuses("model.safetensors");
  dir_.write("model/pytorch_model.bin", "\x80\x02");
  embed_refuses("pytorch_model.bin");
  fs::remove(model() / "pytorch_model.bin");
  fs::create_symlink("/etc/hostname", model() / "model.safetensors");
  embed_refuses("model.safetensors");
  fs::remove(model() / "model.safetensors");
  fs::create_directory(model() / "model.safetensors");
  embed_refuses("model.safetensors");
}

TEST_F(BadInput, LinksAreFollowedWhenAsked) {
  fs::rename(model() / "model.safetensors", dir_.path() / "elsewhere");
  fs::create_symlink(dir_.path() / "elsewhere", model() / "model.safetensors");
  embed_refuses("model.safetensors");
  EXPECT_EQ(linnet({"embed", "--follow-symlinks", "text"}).exit_code, 0);
  EXPECT_EQ(linnet({"embed", "--follow-symlinks", "--no-follow-symlinks", "text"}).exit_code, 2);
  fs::rename(dir_.path() / "elsewhere", model() / "inside");
  fs::remove(model() / "model.safetensors");
  fs::create_symlink("inside", model() / "model.safetensors");
  EXPECT_EQ(linnet({"embed", "text"}).exit_code, 0);
  refuses({"embed", "--no-follow-symlinks", "text"}, "model.safetensors");
}

TEST_F(BadInput, HostileJson) {
  const std::string nested(100000, '[');
  const std::string huge = "{\"a\": \"" + std::string(5 << 20, 'x') + "\"}";
  const std::string config = dir_.read("model/config.json");
  for (const std::string& content :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"), nested, huge,
        std::string("\xEF\xBB\xBF{}"), std::string("{\"a\": 01}"),
        std::string("{\"a\": 1, \"a\": 2}"), std::string("{} {}"), std::string("{\"a\": NaN}"),
        std::string("{\"a\": \"\xFF\"}"), std::string("{\0}", 3)}) {
    for (const char* file :
         {"config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json"}) {
      if (content == huge && std::string(file) == "tokenizer.json") continue;  // it may be large
      const std::string name = std::string("model/") + file;
      const std::string before = dir_.read(name);
      dir_.write(name, content);
      SCOPED_TRACE(content.substr(0, 30));
      embed_refuses(file);
      dir_.write(name, before);
    }
  }
  EXPECT_EQ(dir_.read("model/config.json"), config);
  EXPECT_EQ(linnet({"embed", "text"}).exit_code, 0) << "restored";
}

TEST_F(BadInput, HostileConfigurations) {
  const std::string config = dir_.read("model/config.json");
  const auto with = [&](const std::string& key, const std::string& value) {
    const std::size_t at = config.find("\"" + key + "\":");
    ASSERT_NE(at, std::string::npos) << key;
    const std::size_t end = config.find_first_of(",\n}", at);
    dir_.write("model/config.json",
               config.substr(0, at) + "\"" + key + "\": " + value + config.substr(end));
    const Finished done = linnet({"embed", "text"});
    EXPECT_EQ(done.exit_code, 1) << key << " " << value << " signal " << done.signal;
    EXPECT_EQ(done.err.substr(0, 7), "error: ");
  };
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads",
                          "intermediate_size", "vocab_size", "max_position_embeddings"}) {
    for (const char* value : {"0", "-1", "1000000", "9223372036854775807", "18446744073709551616",
                              "\"48\"", "48.0", "[48]", "true"}) {
      with(key, value);
    }
  }
}

TEST_F(BadInput, HostileSafetensors) {
  const std::string whole = dir_.read("model/model.safetensors");
  const auto header_of = [](const std::string& json) {
    std::string out(8, '\0');
    for (int i = 0; i < 8; ++i)
      out[static_cast<std::size_t>(i)] = static_cast<char>(json.size() >> (8 * i));
    return out + json;
  };
  for (const std::string& content :
       {std::string(), std::string(7, '\0'), std::string(8, '\0'), std::string(8, '\xFF'),
        whole.substr(0, whole.size() - 1), whole + "x", whole.substr(0, 100),
        header_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],"
                  "\"data_offsets\":[0,0]}}"),
        header_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,99999]}}"),
        header_of("{\"a\":{\"dtype\":\"X9\",\"shape\":[1],\"data_offsets\":[0,4]}}abcd"),
        header_of(std::string(200000, '['))}) {
    dir_.write("model/model.safetensors", content);
    embed_refuses("model.safetensors");
  }
  dir_.write("model/model.safetensors", header_of("{}"));
  embed_refuses("embeddings.word_embeddings.weight");
}

// Any damage gives an error or a model; the sanitizer builds look closer.
TEST_F(BadInput, DamagedBytes) {
  const char* files[] = {"config.json", "model.safetensors", "tokenizer.json", "modules.json"};
  std::mt19937 random(20240917);
  for (const char* file : files) {
    const std::string name = std::string("model/") + file, whole = dir_.read(name);
    for (int i = 0; i < 40; ++i) {
      std::string damaged = whole;
      // Headers and settings are at the front.
      const std::size_t at = random() % std::min<std::size_t>(whole.size(), 6000);
      damaged[at] = static_cast<char>(random());
      dir_.write(name, damaged);
      const Finished done = linnet({"embed", "text"});
      EXPECT_TRUE(done.exit_code == 0 || done.exit_code == 1)
          << file << " byte " << at << " exit " << done.exit_code << " signal " << done.signal
          << done.err;
    }
    dir_.write(name, whole);
  }
}

TEST_F(BadInput, Texts) {
  refuses({"embed", "--input", dir_.path("absent")}, "absent: No such file or directory");
  refuses({"embed", "--input", dir_.path().string()}, "Is a directory");
  dir_.write("a.csv", "name,value\n1,2\n");
  refuses({"embed", "--input", dir_.path("a.csv")}, "a.csv: no column");
  dir_.write("damaged.gz", "\x1F\x8B\x08");
  refuses({"embed", "--input", dir_.path("damaged.gz")}, "damaged compressed data");
  dir_.write("empty", "");
  const Finished nothing = linnet({"embed", "--input", dir_.path("empty")});
  EXPECT_EQ(nothing.exit_code, 0) << nothing.err;
  EXPECT_EQ(nothing.out, "");
}

TEST_F(BadInput, ABadLineFailsAlone) {
  const std::string words = [] {
    std::string text;
    for (int i = 0; i < 400; ++i) text += "a ";
    return text;
  }();
  dir_.write("a.txt", "fine\nbad \xFF\nfine\n" + words + "\nfine");
  const Finished done = linnet({"embed", "--no-truncate", "-i", dir_.path("a.txt")});
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_NE(done.err.find("a.txt: line 2: invalid UTF-8 at byte 4"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("a.txt: line 4: "), std::string::npos) << done.err;
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 5);
  for (const char* index :
       {"{\"index\": 1, \"error\"", "{\"index\": 3, \"error\"", "{\"index\": 4, \"embedding\""}) {
    EXPECT_NE(done.out.find(index), std::string::npos) << index;
  }
  const Finished searched = linnet({"search", "-i", dir_.path("a.txt"), "fine"});
  EXPECT_EQ(searched.exit_code, 3);
  EXPECT_NE(searched.err.find("a.txt: line 2: "), std::string::npos) << searched.err;
}

TEST_F(BadInput, OutputsThatCannotBeWritten) {
  refuses({"embed", "-o", "/dev/full", "text"}, "/dev/full: No space left on device");
  refuses({"embed", "-o", "/dev/full", "--format", "npy", "text"}, "No space left on device");
  refuses({"embed", "-o", dir_.path("no/such/folder"), "text"}, "No such file or directory");
  refuses({"embed", "-o", model().string(), "text"}, "Is a directory");
  Invocation broken{.arguments = {LINNET_PROGRAM, "embed", "--model", model().string(), "text"}};
  broken.output_has_no_reader = true;
  const Finished done = run(broken);
  EXPECT_EQ(done.exit_code, -1);
  EXPECT_EQ(done.err, "");
}

TEST_F(BadInput, ReaderThatLeavesEndsALongRun) {
  Child child({LINNET_PROGRAM, "embed", "--model", model().string()});
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += "a line\n";  // more than is embedded at a time
  child.write(lines.substr(0, 4096 * 7));
  EXPECT_EQ(child.read_line().substr(0, 12), "{\"index\": 0,");
  child.close_output();
  child.write(lines);
  child.close_input();
  const Finished done = child.wait();
  EXPECT_EQ(done.exit_code, -1);
  EXPECT_EQ(done.err, "");
}

TEST_F(BadInput, Forward) {
  const std::string out = dir_.path("out.safetensors");
  const auto forward_refuses = [&](const std::string& inputs, const std::string& part) {
    refuses({"forward", "--inputs", inputs, "--output", out}, part);
    EXPECT_FALSE(fs::exists(out));
  };
  forward_refuses(dir_.path("absent"), "absent");
  dir_.write("broken", "not a tensor file");
  forward_refuses(dir_.path("broken"), "broken");
  const auto ids = [&](const std::string& shape, std::size_t bytes,
                       const std::string& dtype = "I64", const std::string& name = "input_ids",
                       char fill = '\0') {
    std::string json = "{\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
                       ",\"data_offsets\":[0," + std::to_string(bytes) + "]}}";
    while (json.size() % 8 != 0) json += ' ';
    std::string file(8, '\0');
    file[0] = static_cast<char>(json.size());
    dir_.write("ids", file + json + std::string(bytes, fill));
    return dir_.path("ids");
  };
  forward_refuses(ids("[1,2]", 16, "I64", "other"), "ids");
  forward_refuses(ids("[1,2]", 8, "F32"), "input_ids");
  forward_refuses(ids("[2]", 16), "input_ids");
  forward_refuses(ids("[1,0]", 0), "");
  forward_refuses(ids("[1,2]", 16, "I64", "input_ids", '\x7F'), "input_ids");
  forward_refuses(ids("[1,1]", 8, "I64", "input_ids", '\xFF'), "");
  forward_refuses(ids("[1,4000]", 32000), "");
}

TEST_F(BadInput, IndexOfASearch) {
  dir_.write("texts", "one thing\nanother thing\n");
  const std::string index = dir_.path("index");
  const std::vector<std::string> words{"search", "-i",     dir_.path("texts"), "--index",
                                       index,    "--json", "one thing"};
  const Finished first = linnet(words);
  EXPECT_EQ(first.exit_code, 0) << first.err;
  const std::string stored = dir_.read("index");
  EXPECT_EQ(linnet(words).out, first.out);
  EXPECT_EQ(dir_.read("index"), stored);
  dir_.write("texts", "one thing\nanother thing\nmore\n");
  EXPECT_EQ(linnet(words).exit_code, 0);
  EXPECT_NE(dir_.read("index"), stored) << "the texts have changed";
  dir_.write("index", "no index of ours, and precious");
  const Finished other = linnet(words);
  EXPECT_EQ(other.exit_code, 1) << other.out;
  EXPECT_EQ(dir_.read("index"), "no index of ours, and precious");
}

TEST_F(BadInput, QueriesFromStandardInput) {
  dir_.write("texts", "one thing\n\n  \nanother thing\n");
  const Finished done = linnet({"search", "-i", dir_.path("texts"), "-k", "1", "--json"},
                               "one thing\nbad \xFF\nanother thing\n");
  EXPECT_EQ(done.exit_code, 3) << done.err;
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 2) << done.out;
  EXPECT_NE(done.out.find("\"line\": 4"), std::string::npos) << done.out;
  dir_.write("texts", "\n \n");
  refuses({"search", "-i", dir_.path("texts"), "x"}, "no text");
}

}  // namespace
}  // namespace linnet::test
