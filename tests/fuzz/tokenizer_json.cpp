// Any bytes as tokenizer.json. What is accepted must work.
#include "tests/fuzz/tokenizer_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linnet::test;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool lenient : {false, true}) {
    try {
      linnet::tokenizer::LoadOptions load;
      load.lenient = lenient;
      const auto t = linnet::tokenizer::Tokenizer::from_json(text, load);
      linnet::tokenizer::EncodeOptions options;
      options.return_overflow = true;
      check_text(t, "Hello, hello [MASK] résumé 中文 don't antidisestablishment <x> zz", options);
      options.invalid_utf8 = linnet::tokenizer::InvalidUtf8::kReplace;
      check_text(t, text, options);
    } catch (const linnet::Error&) {
    }
  }
  return 0;
}
