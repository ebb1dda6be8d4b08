// Every rule of tokenizer.json broken by itself: each is refused, and the message says what is
// wrong.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/tokenizer/small.h"

namespace linnet::test {
namespace {

constexpr ErrorCode kFormat = ErrorCode::kFormat;
constexpr ErrorCode kLimit = ErrorCode::kLimit;
constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

using J = SmallJson;
using Damage = std::function<void(J&)>;

struct Broken {
  const char* name;
  ErrorCode code;
  const char* says;  // part of the message
  Damage damage;
};

Damage put(std::string J::*field, const char* value) {
  return [=](J& json) { json.*field = value; };
}

// One more entry of the vocabulary.
Damage in_vocab(const char* entry) {
  return [=](J& json) { json.vocab.insert(json.vocab.size() - 1, std::string(",") + entry); };
}

// One more added token.
Damage with_added(const char* token) {
  return [=](J& json) { json.added.insert(json.added.rfind(']'), std::string(",") + token); };
}

// The version and the model.
std::vector<Broken> model_cases() {
  return {
      {"version", kFormat, "1.0", put(&J::version, R"("2.0")")},
      {"version number", kFormat, "a string", put(&J::version, "1.0")},
      {"vocabulary list", kFormat, "an object", put(&J::vocab, R"(["a"])")},
      {"vocabulary null", kFormat, "an object", put(&J::vocab, "null")},
      {"vocabulary empty", kFormat, "[UNK]", put(&J::vocab, "{}")},
      {"id negative", kFormat, "-1", in_vocab(R"("x":-1)")},
      {"id 2^32", kFormat, "4294967296", in_vocab(R"("x":4294967296)")},
      {"id 2^64", kFormat, "integer", in_vocab(R"("x":18446744073709551616)")},
      {"id too large for us", kLimit, "8000000", in_vocab(R"("x":8000000)")},
      {"id float", kFormat, "integer", in_vocab(R"("x":39.0)")},
      {"id string", kFormat, "integer", in_vocab(R"("x":"39")")},
      {"id twice", kFormat, "two tokens have the id 5", in_vocab(R"("x":5)")},
      {"token twice", kFormat, "twice", in_vocab(R"("a":40)")},
      {"unknown token missing", kFormat, "unknown token", put(&J::unk, R"("[NOPE]")")},
      {"unknown token null", kFormat, "a string", put(&J::unk, "null")},
      {"prefix null", kFormat, "a string", put(&J::prefix, "null")},
      {"word length negative", kFormat, "-1", put(&J::longest, "-1")},
      {"word length huge", kLimit, "10000", put(&J::longest, "1000000")},
  };
}

// Normalizer, pre-tokenizer, decoder, truncation, padding.
std::vector<Broken> component_cases() {
  return {
      {"normalizer of unknown type", kFormat, "Foo", put(&J::normalizer, R"({"type":"Foo"})")},
      {"normalizer of another type", kUnsupported, "NFKC",
       put(&J::normalizer, R"({"type":"NFKC"})")},
      {"normalizer without type", kFormat, "type", put(&J::normalizer, R"({"lowercase":true})")},
      {"normalizer without clean_text", kFormat, "clean_text",
       put(&J::normalizer,
           R"({"type":"BertNormalizer","handle_chinese_chars":true,"lowercase":true})")},
      {"normalizer with a number", kFormat, "a boolean",
       put(&J::normalizer,
           R"({"type":"BertNormalizer","clean_text":1,"handle_chinese_chars":true,"lowercase":true})")},
      {"pre-tokenizer of unknown type", kFormat, "Foo",
       put(&J::pre_tokenizer, R"({"type":"Foo"})")},
      {"pre-tokenizer of another type", kUnsupported, "Whitespace",
       put(&J::pre_tokenizer, R"({"type":"Whitespace"})")},
      {"decoder of unknown type", kFormat, "Foo", put(&J::decoder, R"({"type":"Foo"})")},
      {"decoder of another type", kUnsupported, "Fuse", put(&J::decoder, R"({"type":"Fuse"})")},
      {"decoder without cleanup", kFormat, "cleanup",
       put(&J::decoder, R"({"type":"WordPiece","prefix":"##"})")},
      {"truncation with an unknown strategy", kFormat, "Foo",
       put(&J::truncation, R"({"max_length":8,"strategy":"Foo","stride":0})")},
      {"truncation with a negative length", kFormat, "-8",
       put(&J::truncation, R"({"max_length":-8,"strategy":"OnlyFirst","stride":0})")},
      {"padding with an unknown direction", kFormat, "Up",
       put(&J::padding,
           R"({"strategy":"BatchLongest","direction":"Up","pad_id":0,"pad_type_id":0,"pad_token":"x"})")},
      {"padding with an unknown strategy", kFormat, "Foo",
       put(&J::padding, R"({"strategy":"Foo","pad_id":0,"pad_type_id":0,"pad_token":"x"})")},
  };
}

// Post-processors.
std::vector<Broken> post_processor_cases() {
  return {
      {"post-processor of unknown type", kFormat, "Foo",
       put(&J::post_processor, R"({"type":"Foo"})")},
      {"post-processor with two templates", kFormat, "second template",
       put(&J::post_processor, R"({"type":"Sequence","processors":[
           {"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]},
           {"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}]})")},
      {"WordPiece behind ByteLevel", kUnsupported, "ByteLevel",
       put(&J::pre_tokenizer, R"({"type":"ByteLevel"})")},
      {"template without its special token", kFormat, "[CLS]",
       put(&J::post_processor,
           R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}}],"pair":[],"special_tokens":{}})")},
      {"template pair without B", kFormat, "both",
       put(&J::post_processor,
           R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{}})")},
      {"template single with B", kFormat, "second",
       put(&J::post_processor,
           R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"B","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":0}}],"special_tokens":{}})")},
      {"template with sequence C", kFormat, "C",
       put(&J::post_processor,
           R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"C","type_id":0}}],"pair":[],"special_tokens":{}})")},
      {"template of strings", kFormat, "an object",
       put(&J::post_processor,
           R"({"type":"TemplateProcessing","single":["$A"],"pair":["$A","$B"],"special_tokens":{}})")},
      {"template with an id that no token has", kFormat, "777",
       put(&J::post_processor,
           R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}],"pair":[],"special_tokens":{"x":{"id":"x","ids":[777],"tokens":["x"]}}})")},
      {"template with two ids and one token", kFormat, "equally",
       put(&J::post_processor,
           R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}],"pair":[],"special_tokens":{"x":{"id":"x","ids":[2,3],"tokens":["x"]}}})")},
      {"template with a negative type", kFormat, "-1",
       put(&J::post_processor,
           R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":-1}}],"pair":[],"special_tokens":{}})")},
      {"BertProcessing without cls", kFormat, "cls",
       put(&J::post_processor, R"({"type":"BertProcessing","sep":["[SEP]",3]})")},
      {"BertProcessing with three elements", kFormat, "token and its id",
       put(&J::post_processor,
           R"({"type":"BertProcessing","sep":["[SEP]",3,4],"cls":["[CLS]",2]})")},
  };
}

// Added tokens.
std::vector<Broken> added_token_cases() {
  return {
      {"added tokens as an object", kFormat, "an array", put(&J::added, "{}")},
      {"added token without a flag", kFormat, "special",
       with_added(
           R"({"id":39,"content":"x","single_word":false,"lstrip":false,"rstrip":false,"normalized":false})")},
      {"added token without an id", kFormat, "id",
       with_added(
           R"({"content":"x","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false})")},
      {"added token with a negative id", kFormat, "-5",
       with_added(
           R"({"id":-5,"content":"x","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false})")},
      {"added token with another id than in the model", kFormat, "expected 10",
       with_added(
           R"({"id":39,"content":"hello","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false})")},
      {"added token that leaves a gap", kFormat, "expected 39",
       with_added(
           R"({"id":50,"content":"x","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false})")},
  };
}

TEST(BrokenFiles, AreRefused) {
  int count = 0;
  for (const auto& cases :
       {model_cases(), component_cases(), post_processor_cases(), added_token_cases()}) {
    for (const Broken& b : cases) {
      SCOPED_TRACE(b.name);
      SmallJson json;
      b.damage(json);
      try {
        json.load();
        ADD_FAILURE() << "accepted";
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), b.code) << e.what();
        EXPECT_NE(std::string(e.what()).find(b.says), std::string::npos) << e.what();
      }
      ++count;
    }
  }
  EXPECT_GE(count, 30);
}

}  // namespace
}  // namespace linnet::test
