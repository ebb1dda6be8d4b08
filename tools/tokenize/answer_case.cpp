#include "tools/tokenize/case.h"

namespace linnet::tools {
namespace {

using tokenizer::Encoding;
using tokenizer::OffsetUnit;
using tokenizer::Span;

// "0110": one digit a token, '-' for -1.
template <class T>
std::string digits(const std::vector<T>& values) {
  std::string out;
  for (const T v : values) out += v < 0 ? '-' : static_cast<char>('0' + v);
  return out;
}

template <class T>
void write_list(json::Writer& out, const char* key, const std::vector<T>& values) {
  out.key(key).begin_array();
  for (const T v : values) out.integer(v);
  out.end_array();
}

void write_spans(json::Writer& out, const char* key, const std::vector<Span>& spans) {
  out.key(key).begin_array();
  for (const Span& s : spans) out.integer(s.begin).integer(s.end);
  out.end_array();
}

// Offsets in characters, each in its own text.
std::vector<Span> in_chars(const Encoding& e, std::string_view first, std::string_view second) {
  std::vector<Span> out(e.offsets.size());
  for (const int sequence : {0, 1}) {
    std::vector<Span> own;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (e.sequence_ids[i] == sequence) own.push_back(e.offsets[i]);
    }
    own = convert_offsets(sequence == 0 ? first : second, own, OffsetUnit::kChars);
    std::size_t next = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (e.sequence_ids[i] == sequence) out[i] = own[next++];
    }
  }
  return out;
}

void write_encoding(json::Writer& out, const Encoding& e, std::string_view first,
                    std::string_view second) {
  write_list(out, "ids", e.ids);
  out.key("tokens").begin_array();
  for (const std::string& token : e.tokens) out.string(token);
  out.end_array();
  out.key("type_ids").string(digits(e.type_ids));
  out.key("attention_mask").string(digits(e.attention_mask));
  out.key("special_tokens_mask").string(digits(e.special_tokens_mask));
  write_spans(out, "offsets", in_chars(e, first, second));
  write_spans(out, "offsets_bytes", e.offsets);
  write_list(out, "word_ids", e.word_ids);
  out.key("sequence_ids").string(digits(e.sequence_ids));
}

}  // namespace

void answer_case(json::Writer& out, const TokenizerCase& c, const tokenizer::Tokenizer& t,
                 tokenizer::Scratch& scratch) {
  const tokenizer::EncodeOptions& options = c.options.encode;
  if (c.options.padding) tokenizer::check_padding(*c.options.padding, options);
  const bool replaces = options.invalid_utf8 == tokenizer::InvalidUtf8::kReplace;

  // Offsets are those in the text that the tokenizer sees: without invalid bytes.
  std::vector<std::string> firsts = c.texts, seconds = c.pairs;
  seconds.resize(firsts.size());
  std::vector<Span> raw_offsets;
  std::vector<Encoding> encodings;
  for (std::size_t i = 0; i < firsts.size(); ++i) {
    if (c.raw && c.pairs.empty()) raw_offsets = t.encode(firsts[i], options, scratch).offsets;
    if (replaces) {
      firsts[i] = tokenizer::replace_invalid_utf8(firsts[i]);
      seconds[i] = tokenizer::replace_invalid_utf8(seconds[i]);
    }
    encodings.push_back(c.pairs.empty() ? t.encode(firsts[i], options, scratch)
                                        : t.encode_pair(firsts[i], seconds[i], options, scratch));
  }
  if (c.options.padding) tokenizer::pad(encodings, *c.options.padding);

  if (!c.batch && !options.return_overflow) {
    write_encoding(out, encodings[0], firsts[0], seconds[0]);
    if (c.raw && c.pairs.empty()) write_spans(out, "offsets_raw", raw_offsets);
    return;
  }
  std::vector<std::int64_t> mapping;
  out.key("rows").begin_array();
  const auto write_row = [&](const Encoding& e, std::size_t sample) {
    out.begin_object();
    write_encoding(out, e, firsts[sample], seconds[sample]);
    out.end_object();
    mapping.push_back(static_cast<std::int64_t>(sample));
  };
  for (std::size_t i = 0; i < encodings.size(); ++i) {
    write_row(encodings[i], i);
    for (const Encoding& window : encodings[i].overflow) write_row(window, i);
  }
  out.end_array();
  if (options.return_overflow) write_list(out, "overflow_to_sample_mapping", mapping);
}

}  // namespace linnet::tools
