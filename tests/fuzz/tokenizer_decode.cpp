// Any ids to text: whole, one by one, and leniently.
#include <cstring>

#include "tests/fuzz/tokenizer_checks.h"
#include "tests/tokenizer/small.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linnet::test;
  using linnet::tokenizer::Cleanup;
  static const linnet::tokenizer::Tokenizer t = [] {
    SmallJson json;
    json.add(kSmallVocab, " do not", false, false, false, false, false);
    json.add(kSmallVocab + 1, " ' ", false, false, false, false, true);
    return json.load();
  }();
  FuzzInput input(data, size);
  const std::uint32_t bits = input.byte();
  linnet::tokenizer::DecodeOptions options;
  options.skip_special_tokens = (bits & 1) != 0;
  options.lenient = (bits & 2) != 0;
  options.cleanup = static_cast<Cleanup>(bits >> 2 & 1);
  std::vector<std::int32_t> ids;
  if ((bits & 8) != 0) {  // a byte an id, so that most of them exist
    for (const char c : input.rest()) ids.push_back(static_cast<unsigned char>(c) % 48);
  } else {
    ids.resize(input.rest().size() / sizeof(std::int32_t));
    if (!ids.empty())
      std::memcpy(ids.data(), input.rest().data(), ids.size() * sizeof(std::int32_t));
  }
  std::string whole;
  const std::string refused = refusal([&] { whole = t.decode(ids, options); });
  linnet::tokenizer::DecodeStream stream(t, options);
  std::string joined;
  demand(refusal([&] {
           for (const std::int32_t id : ids) joined += stream.step(id);
         }) == refused,
         "the same refusal");
  if (!refused.empty()) return 0;
  demand(joined == whole, "the pieces are the text");
  demand(linnet::tokenizer::utf8::valid_prefix(whole) == static_cast<std::int64_t>(whole.size()),
         "decoded text is UTF-8");
  options.cleanup = Cleanup::kTransformers;
  demand(t.decode(ids, options).size() <= whole.size() + ids.size(), "clean-up does not grow");
  return 0;
}
