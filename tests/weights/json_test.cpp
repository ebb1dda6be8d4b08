#include "weights/base/json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/expect_error.h"

namespace linnet::json {
namespace {

using namespace std::string_literals;

Document parsed(std::string_view text) { return parse(text, "x.json", kConfigBytes); }

std::string refused(std::string_view text) {
  return test::error_of(ErrorCode::kFormat, [&] { parsed(text); });
}

TEST(Json, ReadsEveryKindOfValue) {
  const Document d = parsed(
      R"( {"null": null, "yes": true, "no": false, "int": -12, "float": 1.5e3,
           "text": "aä", "list": [1, "b", []], "object": {"": {}}} )");
  const Value root = d.root();
  EXPECT_EQ(root.size(), 8);
  EXPECT_TRUE(root.at("null").is_null());
  EXPECT_TRUE(root.at("yes").boolean());
  EXPECT_FALSE(root.at("no").boolean());
  EXPECT_EQ(root.at("int").integer(), -12);
  EXPECT_EQ(root.at("float").number(), 1500.0);
  EXPECT_EQ(root.at("text").string(), "a\u00E4");
  std::vector<Kind> kinds;
  for (const Value v : root.at("list").elements()) kinds.push_back(v.kind());
  EXPECT_EQ(kinds, (std::vector{Kind::kInteger, Kind::kString, Kind::kArray}));
  EXPECT_EQ(root.at("object").at("").size(), 0);
  std::string keys;
  for (const Member m : root.members()) keys += std::string(m.key) + ' ';
  EXPECT_EQ(keys, "null yes no int float text list object ");
}

TEST(Json, ReadsScalarsAtTheTop) {
  EXPECT_EQ(parsed("7").root().integer(), 7);
  EXPECT_EQ(parsed("\t\r\n \"s\" ").root().string(), "s");
  EXPECT_TRUE(parsed("null").root().is_null());
  EXPECT_EQ(parsed("[]").root().size(), 0);
}

TEST(Json, ReadsEveryEscape) {
  const Document d = parsed(R"("\"\\\/\b\f\n\r\t\u0000\u00e9\u20AC\ud83D\uDE00")");
  using namespace std::string_view_literals;
  EXPECT_EQ(d.root().string(), "\"\\/\b\f\n\r\t\0\u00E9\u20AC\U0001F600"sv);
  const Document keys = parsed(R"({"a\nb": 1, "\u0061": "\u0062c"})");
  EXPECT_EQ(keys.root().at("a\nb").integer(), 1);
  EXPECT_EQ(keys.root().at("a").string(), "bc");
}

void expect_refused(std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view text = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(text.size() + 1, lines.size()));
    EXPECT_NE(refused(text), "") << text;
  }
}

TEST(Json, RefusesBrokenStructure) {
  for (const char* text : {"", " ", "\xEF\xBB\xBF{}", "\xA0{}", "\x0B{}", "{}\f"}) {
    EXPECT_NE(refused(text), "") << text;
  }
  expect_refused(R"({
[
}
]
[1
{"a"
{"a":
{"a":1
{"a":1,
[1,]
[,1]
[1 2]
{"a":1,}
{,}
{"a" 1}
{a: 1}
{'a': 1}
{1: 1}
{"a":}
[1}
{"a":1]
{}{}
{} x
1 1
// c
[1] // c
/* c */ 1
[1] # c
NaN
Infinity
[nan]
nul
nulll
tru
True)");
}

TEST(Json, RefusesBrokenNumbers) {
  expect_refused(R"(01
-01
00
+1
-
-a
.5
1.
1.e5
1e
1e+
1e+x
0x10
1_000
--1
-Infinity
1e400
-1e400
1e-400)");
}

TEST(Json, RefusesBrokenStrings) {
  for (const char* text : {"\"a\nb\"", "\"a\tb\"", "\"\x1f\"", "\"\x80\"", "\"\xC0\x80\"",
                           "\"\xC3\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"",
                           "\"\xF0\x80\x80\x80\"", "\"\xFF\"", "\"\xE2\x82\""}) {
    EXPECT_NE(refused(text), "") << text;
  }
  expect_refused(R"("
"a
"\
"\"
"\a"
"\'"
"\u12"
"\u12G4"
"\uD800"
"\uDC00"
"\uD800\u0041"
"\uD800x"
"\uD800\n")");
  EXPECT_EQ(parsed("\"\x7f\"").root().string(), "\x7f");
}

TEST(Json, RefusesNulBytesEverywhere) {
  for (std::string text : {"{}", "[1]", "\"ab\"", " 1 ", "{\"a\":1}"}) {
    for (std::size_t i = 0; i <= text.size(); ++i) {
      std::string with_nul = text;
      with_nul.insert(i, 1, '\0');
      EXPECT_NE(refused(with_nul), "") << text << " with NUL at " << i;
    }
  }
}

// Every prefix of a text that needs all of its bytes is refused.
TEST(Json, RefusesEveryPrefix) {
  const std::string text = R"({"a": [1, -2.5e-3, true, null, "x\u00e9\n"], "b": {"c": "d"}})";
  parsed(text);
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_NE(refused(text.substr(0, n)), "") << n;
}

TEST(Json, RefusesDuplicateKeys) {
  EXPECT_EQ(refused(R"({"a": 1, "a": 2})"), "x.json:1:15: a: this key stands twice in its object");
  EXPECT_EQ(refused("{\"a\": {\"b\": 1,\n \"\\u0062\": 2}}"),
            "x.json:2:12: a.b: this key stands twice in its object");
  parsed(R"({"a": {"a": 1}, "b": {"a": 1}})");  // not the same object
  parsed(R"([{"a": 1}, {"a": 1}])");
}

TEST(Json, RefusesDuplicateKeysAmongMany) {
  const auto key = [](int i) { return std::string("k").append(std::to_string(i)); };
  for (const int n : {7, 8, 9, 10, 100, 5000}) {
    std::string text = "{";
    for (int i = 0; i < n; ++i) text.append("\"").append(key(i)).append("\": 0, ");
    EXPECT_EQ(parsed(text + "\"last\": 0}").root().size(), n + 1);
    for (const int twin : {0, n / 2, n - 1}) {
      const std::string message = refused(text + "\"" + key(twin) + "\": 1}");
      EXPECT_NE(message.find(key(twin) + ": this key stands twice"), std::string::npos) << message;
    }
  }
}

// Keys chosen to fall on one place of a hash table are still told apart, and in no quadratic time.
TEST(Json, RefusesDuplicatesAmongKeysThatCollide) {
  std::string text = "{";
  int found = 0;
  for (int i = 0; found < 500; ++i) {
    const std::string key = std::to_string(i);
    if (std::hash<std::string_view>()(key) % 1024 >= 4) continue;
    text.append("\"").append(key).append("\": 0, ");
    ++found;
  }
  EXPECT_EQ(parsed(text + "\"last\": 0}").root().size(), 501);
  for (const int twin : {1, 250, 499}) {
    std::size_t at = 0;
    for (int i = 0; i < twin; ++i) at = text.find(", ", at) + 2;
    EXPECT_NE(refused(text + text.substr(at, text.find(',', at) - at) + "}").find("stands twice"),
              std::string::npos);
  }
}

TEST(Json, LimitsDepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  parsed(nested(64));
  EXPECT_NE(refused(nested(65)).find("1:65: "), std::string::npos);
  for (const std::size_t depth : {65u, 129u, 100'000u}) {
    EXPECT_NE(refused(nested(depth)).find("nested deeper than 64 levels"), std::string::npos);
  }
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += "{\"a\":";
  EXPECT_NE(refused(objects).find("nested deeper"), std::string::npos);
  // Without end, and as many as a header may hold.
  EXPECT_THROW(parse(std::string(5'000'000, '['), "x", kTokenizerBytes), Error);
}

TEST(Json, LimitsSize) {
  parse("[12]", "x.json", 4);
  EXPECT_EQ(test::error_of(ErrorCode::kLimit, [] { parse("[123]", "x.json", 4); }),
            "x.json: has 5 bytes, expected at most 4");
}

TEST(Json, KeepsIntegersExact) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(parsed("9223372036854775807").root().integer(), kMost);
  EXPECT_EQ(parsed("-9223372036854775808").root().integer(), -kMost - 1);
  EXPECT_EQ(parsed("0").root().integer(), 0);
  for (const char* big :
       {"9223372036854775808", "-9223372036854775809", "18446744073709551615",
        "18446744073709551616", "36893488147419103232", "1000000000000000019884624838656"}) {
    const Document d = parsed(big);
    EXPECT_EQ(d.root().kind(), Kind::kBigInteger) << big;
    EXPECT_EQ(d.root().number(), std::strtod(big, nullptr)) << big;
    EXPECT_NE(test::error_of(ErrorCode::kFormat, [&] { d.root().integer(); })
                  .find("found an integer beyond 64 bits, expected an integer"),
              std::string::npos);
  }
}

TEST(Json, TakesNoFloatForAnInteger) {
  for (const char* text : {"1.0", "1e3", "1E0", "-0", "0.0", "0e0", "-0.0"}) {
    const Document d = parsed(text);
    EXPECT_EQ(d.root().kind(), Kind::kFloat) << text;
    EXPECT_THROW(d.root().integer(), Error) << text;
    EXPECT_EQ(d.root().number(), std::strtod(text, nullptr)) << text;
  }
  EXPECT_TRUE(std::signbit(parsed("-0").root().number()));
}

TEST(Json, ReadsFloatsToTheLastBit) {
  for (const char* text :
       {"0.1", "1e-12", "2.2250738585072014e-308", "4.9e-324", "1.7976931348623157e308",
        "9007199254740993.0", "0.30000000000000004", "123456789012345678901234567890.5e-10"}) {
    EXPECT_EQ(parsed(text).root().number(), std::strtod(text, nullptr)) << text;
  }
  const std::string digits = "0." + std::string(100'000, '3');
  EXPECT_EQ(parsed(digits).root().number(), 1.0 / 3);
}

TEST(Json, ReadsNonFiniteNumbersAsTheyAreSpelled) {
  const Document d = parsed(
      R"([{"__float__": "Infinity"}, {"__float__": "-Infinity"}, {"__float__": "NaN"},
          {"__float__": "1"}, {"__float__": 1}, {"__float__": "NaN", "x": 1}, {}])");
  std::vector<Value> v;
  for (const Value e : d.root().elements()) v.push_back(e);
  EXPECT_EQ(v[0].number(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(v[1].number(), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(v[2].number()));
  for (std::size_t i = 3; i < v.size(); ++i) EXPECT_THROW(v[i].number(), Error) << i;
}

TEST(Json, NamesLineColumnAndPathOfSyntaxErrors) {
  EXPECT_EQ(refused("{\n  \"a\": [1,\n    2,, 3]}"),
            "x.json:3:7: a: not JSON: unexpected ','; expected '[', '{', or a literal");
  EXPECT_EQ(refused("{\"a\": {\"b\": tru}}"), "x.json:1:16: a.b: not JSON: invalid literal");
  EXPECT_EQ(refused("[1 2]"), "x.json:1:4: not JSON: unexpected number literal; expected ']'");
  EXPECT_EQ(refused("{\"m\": {\"a.b c\": {\"x\" 2}}}"),
            "x.json:1:22: m[\"a.b c\"].x: not JSON: unexpected number literal; expected ':'");
  EXPECT_EQ(refused("{\"m\": {\"a\": 1, 2}}"),
            "x.json:1:16: m: not JSON: unexpected number literal; expected string literal");
  EXPECT_EQ(refused("[[1], [2, 3"),
            "x.json:1:12: [1]: not JSON: unexpected end of input; expected ']'");
  EXPECT_EQ(refused("{\"a\": \"x\n\"}"),
            "x.json:1:9: a: not JSON: invalid string: control character U+000A (LF) must be "
            "escaped to \\u000A or \\n");
  EXPECT_EQ(refused("{\"a\": \"\xC3\xA4\\uD800\"}"),
            "x.json:1:16: a: not JSON: invalid string: surrogate U+D800..U+DBFF must be followed "
            "by U+DC00..U+DFFF");
  EXPECT_EQ(refused("[1, {\"a\": -1e999}]"),
            "x.json:1:11: [1].a: a number beyond the range of a double");
  EXPECT_EQ(refused("[1, {\"a\": -1e-999}]"),
            "x.json:1:11: [1].a: a number beyond the range of a double");
  EXPECT_EQ(refused("{\"a\": [\"b\\n\0\"]}"s), "x.json:1:12: not JSON: a NUL byte");
  // Nothing of the text itself reaches a terminal.
  EXPECT_EQ(refused("{}\n\n \x1b[2J"), "x.json:3:2: not JSON: invalid literal");
  EXPECT_EQ(refused("{\"a\": 1} \"; last read: - \""),
            "x.json:1:26: not JSON: unexpected string literal; expected end of input");
  EXPECT_EQ(refused("\xEF\xBB\xBF{}"), "x.json:1:1: not JSON: begins with a byte order mark");
}

TEST(Json, NamesLineColumnAndPathOfWrongValues) {
  const Document d = parsed("{\n \"layers\": [\n  {\"n\": 1},\n  {\"n\": \"two\", \"f\": 2.5}]}");
  const Value layer = *++d.root().at("layers").elements().begin();
  const auto error = [](auto action) { return test::error_of(ErrorCode::kFormat, action); };
  EXPECT_EQ(error([&] { layer.at("n").integer(); }),
            "x.json:4:9: layers[1].n: found a string, expected an integer");
  EXPECT_EQ(
      error([&] { layer.at("f").integer(); }),
      "x.json:4:21: layers[1].f: found a number with fraction or exponent, expected an integer");
  EXPECT_EQ(
      error([&] { layer.at("f").boolean(); }),
      "x.json:4:21: layers[1].f: found a number with fraction or exponent, expected a boolean");
  EXPECT_EQ(error([&] { layer.at("x\n"); }),
            "x.json:4:3: layers[1]: the key \"x\\u{000a}\" is missing");
  EXPECT_EQ(error([&] { layer.members().begin().operator*().value.elements(); }),
            "x.json:4:9: layers[1].n: found a string, expected an array");
  EXPECT_EQ(error([&] { d.root().elements(); }), "x.json:1:1: found an object, expected an array");
  EXPECT_EQ(error([&] { d.root().at("layers").members(); }),
            "x.json:2:12: layers: found an array, expected an object");
  EXPECT_EQ(error([&] { layer.at("n").number(); }),
            "x.json:4:9: layers[1].n: found a string, expected a number");
  EXPECT_EQ(error([&] { layer.at("n").size(); }),
            "x.json:4:9: layers[1].n: found a string, expected an array or an object");
  EXPECT_EQ(error([&] { d.root().string(); }), "x.json:1:1: found an object, expected a string");
}

TEST(Json, ChecksRanges) {
  const Document d = parsed("[3]");
  const Value three = *d.root().elements().begin();
  EXPECT_EQ(three.integer(3, 3), 3);
  EXPECT_EQ(test::error_of(ErrorCode::kFormat, [&] { three.integer(4, 9); }),
            "x.json:1:2: [0]: found 3, expected 4 to 9");
  EXPECT_THROW(three.integer(-9, 2), Error);
}

TEST(Json, FindsMembers) {
  const Document d = parsed(R"({"a": null, "b": 2})");
  EXPECT_TRUE(d.root().find("a").has_value());
  EXPECT_FALSE(d.root().find_non_null("a").has_value());
  EXPECT_EQ(d.root().find_non_null("b")->integer(), 2);
  EXPECT_FALSE(d.root().find("c").has_value());
  EXPECT_THROW((void)d.root().at("b").find("c"), Error);  // of a number
}

TEST(Json, OwnsItsText) {
  std::optional<Document> document;
  {
    std::string text = R"({"long enough for the heap": "and \"another\" string as long as that"})";
    document = parsed(text);
    text.assign(text.size(), '#');
  }
  const Document moved = std::move(*document);
  EXPECT_EQ(moved.root().at("long enough for the heap").string(),
            "and \"another\" string as long as that");
}

}  // namespace
}  // namespace linnet::json
