// Any bytes as vocab.txt and the side files, which bytes 0x1E separate. What is accepted must work.
#include <optional>

#include "tests/fuzz/tokenizer_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linnet::test;
  FuzzInput input(data, size);
  const std::string_view vocab = input.until('\x1E'), config = input.until('\x1E'),
                         map = input.until('\x1E'), added = input.rest();
  const auto read = [&](std::string_view name) -> std::optional<std::string> {
    const std::string_view file = name == "vocab.txt"                 ? vocab
                                  : name == "tokenizer_config.json"   ? config
                                  : name == "special_tokens_map.json" ? map
                                  : name == "added_tokens.json"       ? added
                                                                      : std::string_view();
    if (file.empty() && name != "vocab.txt") return std::nullopt;
    return name == "tokenizer.json" ? std::nullopt : std::optional<std::string>(file);
  };
  for (const bool lenient : {false, true}) {
    try {
      linnet::tokenizer::LoadOptions load;
      load.lenient = lenient;
      const auto t = linnet::tokenizer::Tokenizer::from_files(read, load);
      check_text(t, "Hello, hello [MASK] résumé 中文 don't <x> zz", {});
      check_text(t, vocab, {});
    } catch (const linnet::Error&) {
    }
  }
  return 0;
}
