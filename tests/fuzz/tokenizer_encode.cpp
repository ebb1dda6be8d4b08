// Any bytes as text, through tokenizers of several kinds and with any options.
#include <array>

#include "tests/fuzz/tokenizer_checks.h"
#include "tests/tokenizer/small.h"

namespace linnet::test {
namespace {

using tokenizer::EncodeOptions;
using tokenizer::Tokenizer;

const std::vector<Tokenizer>& tokenizers() {
  static const std::vector<Tokenizer> all = [] {
    std::vector<Tokenizer> out;
    out.push_back(SmallJson().load());
    SmallJson added;
    added.add(kSmallVocab, "<x>", false, true, true, false, true);
    added.add(kSmallVocab + 1, "zz", true, false, true, true, false);
    added.add(kSmallVocab + 2, " ", false, false, true, true, false);
    added.add(kSmallVocab + 3, "É", false, true, false, true, false);
    out.push_back(added.load());
    SmallJson bare;
    bare.normalizer = bare.pre_tokenizer = bare.post_processor = bare.decoder = "null";
    bare.longest = "9";
    out.push_back(bare.load());
    SmallJson marks;
    marks.normalizer =
        R"({"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":true,"strip_accents":true,"lowercase":false})";
    marks.prefix = R"("a")";
    out.push_back(marks.load());
    return out;
  }();
  return all;
}

EncodeOptions read_options(FuzzInput& input) {
  const std::uint32_t bits = input.byte(), more = input.byte();
  EncodeOptions options;
  options.add_special_tokens = (bits & 1) != 0;
  options.parse_special = (bits & 2) != 0;
  options.return_overflow = (bits & 4) != 0;
  options.truncation_side = (bits & 8) != 0 ? tokenizer::Side::kLeft : tokenizer::Side::kRight;
  options.invalid_utf8 =
      (bits & 16) != 0 ? tokenizer::InvalidUtf8::kReplace : tokenizer::InvalidUtf8::kError;
  options.truncation = static_cast<tokenizer::Truncation>(bits >> 6);
  options.tokens = (bits & 32) != 0;
  options.max_length = more & 15;
  options.stride = more >> 5;
  return options;
}

}  // namespace
}  // namespace linnet::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linnet::test;
  FuzzInput input(data, size);
  const linnet::tokenizer::Tokenizer& t = tokenizers()[input.byte() % tokenizers().size()];
  const auto options = read_options(input);
  const std::string_view first = input.until('\x1E');
  check_text(t, first, options);
  const std::string_view second = input.rest();
  std::vector<std::int32_t> ids, types;
  linnet::tokenizer::Scratch scratch;
  linnet::tokenizer::Encoding e;
  const std::string full = refusal([&] { e = t.encode_pair(first, second, options); });
  const std::string fast =
      refusal([&] { t.encode_pair_ids(first, second, options, scratch, ids, types); });
  demand(full == fast, "the same refusal of a pair");
  if (!full.empty()) return 0;
  demand(ids == e.ids && types == e.type_ids, "the same ids of a pair");
  check_encoding(t, e, static_cast<std::int64_t>(std::max(first.size(), second.size())));
  return 0;
}
