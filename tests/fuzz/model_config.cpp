// Every JSON file that says what a model is: the first byte chooses the file, the rest is its
// content, and the other files of the directory are valid. Whatever stands there is read or refused
// with an Error.
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

#include "engine/models/encoder_model.h"
#include "engine/models/sentence_config.h"
#include "weights/base/error.h"
#include "weights/base/json.h"

namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

struct File {
  const char* name;
  std::string_view valid;
};

constexpr std::array<File, 7> kFiles{{
    {"config.json", R"({"model_type": "bert", "architectures": ["BertForSequenceClassification"],
                        "hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 2})"sv},
    {"distilbert.json", R"({"model_type": "distilbert", "dim": 48, "n_heads": 3})"sv},
    {"modules.json", R"([{"idx": 0, "path": "", "type": "a.Transformer"},
                         {"idx": 1, "path": "1_Pooling", "type": "a.Pooling"},
                         {"idx": 2, "path": "2_Dense", "type": "a.Dense"}])"sv},
    {"1_Pooling/config.json",
     R"({"word_embedding_dimension": 48, "pooling_mode_mean_tokens": true})"sv},
    {"2_Dense/config.json", R"({"in_features": 48, "out_features": 8, "bias": true})"sv},
    {"sentence_bert_config.json", R"({"max_seq_length": 40, "do_lower_case": false})"sv},
    {"config_sentence_transformers.json", R"({"prompts": {"query": "query: "}})"sv},
}};

void write(const fs::path& path, std::string_view text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) __builtin_trap();
  std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
}

// One directory for the process, in memory where the system has such a place.
const fs::path& directory() {
  static const fs::path path = [] {
    const fs::path shared = fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
    const fs::path made = shared / ("linnet_fuzz_" + std::to_string(getpid()));
    fs::create_directories(made / "1_Pooling");
    fs::create_directories(made / "2_Dense");
    for (const File& file : kFiles) write(made / file.name, file.valid);
    std::atexit([] { fs::remove_all(directory()); });
    return made;
  }();
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const File& chosen = kFiles[data[0] % kFiles.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] % kFiles.size() < 2) {
      const auto document = linnet::json::parse(text, chosen.name, linnet::json::kConfigBytes);
      const auto described = linnet::describe_encoder(document.root());
      // What passed every rule has a size that can be added up.
      linnet::parameter_bytes(described,
                              linnet::kernels::make_table(linnet::kernels::Isa::kReference));
      return 0;
    }
    write(directory() / chosen.name, text);
    const linnet::weights::Directory folder(directory());
    const auto config = linnet::read_sentence_config(folder, 48);
    if (config.dimensions(48) < 1) __builtin_trap();
  } catch (const linnet::Error&) {
  }
  if (data[0] % kFiles.size() >= 2) write(directory() / chosen.name, chosen.valid);
  return 0;
}
