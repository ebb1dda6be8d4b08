#include "weights/base/json_writer.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "weights/base/json.h"

namespace linnet::json {
namespace {

// Writes a parsed value again.
void copy(Writer& w, Value v) {
  switch (v.kind()) {
    case Kind::kNull:
      w.null();
      break;
    case Kind::kBoolean:
      w.boolean(v.boolean());
      break;
    case Kind::kInteger:
      w.integer(v.integer());
      break;
    case Kind::kBigInteger:
    case Kind::kFloat:
      w.float64(v.number());
      break;
    case Kind::kString:
      w.string(v.string());
      break;
    case Kind::kArray:
      w.begin_array();
      for (const Value e : v.elements()) copy(w, e);
      w.end_array();
      break;
    case Kind::kObject:
      w.begin_object();
      for (const Member m : v.members()) copy(w.key(m.key), m.value);
      w.end_object();
      break;
  }
}

std::string rewritten(const std::string& text, int indent) {
  const Document d = parse(text, "x", kConfigBytes);
  Writer w(indent);
  copy(w, d.root());
  return std::move(w).text();
}

TEST(JsonWriter, WritesOnOneLineOrIndented) {
  const std::string text = R"({"a": [1, [], {"b": null}], "c": {}, "d": "e"})";
  EXPECT_EQ(rewritten(text, 0), text);
  EXPECT_EQ(rewritten(text, 2),
            "{\n  \"a\": [\n    1,\n    [],\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": {},\n"
            "  \"d\": \"e\"\n}");
}

TEST(JsonWriter, WhatItWritesReadsTheSame) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    Writer w;
    w.begin_array();
    std::string bytes;
    for (int k = 0; k < 10; ++k) {
      const std::uint64_t r = random();
      w.float64(std::bit_cast<double>(r))
          .float32(std::bit_cast<float>(static_cast<std::uint32_t>(r)));
      w.integer(static_cast<std::int64_t>(r)).integer(static_cast<std::int64_t>(r >> 40));
      bytes += static_cast<char>(r % 0x7F);
      w.string(bytes);
    }
    w.end_array();
    const std::string text = std::move(w).text();
    // Once round, all floats are spelled as doubles.
    const std::string once = rewritten(text, 0);
    ASSERT_EQ(rewritten(once, 0), once);
    ASSERT_EQ(rewritten(rewritten(text, 3), 0), once);
    const Document a = parse(text, "a", kConfigBytes), b = parse(once, "b", kConfigBytes);
    auto other = b.root().elements().begin();
    for (const Value v : a.root().elements()) {
      const Value twin = *other;
      ++other;
      if (v.kind() == Kind::kString) {
        ASSERT_EQ(v.string(), twin.string());
      } else {
        ASSERT_TRUE(v.is_null() ? twin.is_null() : v.number() == twin.number());
      }
    }
  }
}

TEST(JsonWriter, WritesFloatsThatComeBack) {
  std::mt19937 random(8);
  for (int i = 0; i < 200'000; ++i) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isfinite(x)) continue;
    Writer w;
    w.float32(x);
    char expected[40];
    std::snprintf(expected, sizeof expected, "%.9g", static_cast<double>(x));
    ASSERT_EQ(w.text(), expected);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(std::strtof(w.text().c_str(), nullptr)),
              std::bit_cast<std::uint32_t>(x));
  }
}

TEST(JsonWriter, WritesNullForWhatIsNotFinite) {
  const double inf = std::numeric_limits<double>::infinity();
  Writer w;
  w.begin_array().float32(static_cast<float>(inf)).float64(-inf).float64(std::nan("")).end_array();
  EXPECT_EQ(w.text(), "[null, null, null]");
}

TEST(JsonWriter, EscapesStrings) {
  using namespace std::string_view_literals;
  Writer w;
  w.string("\"\\/\b\f\n\r\t\0\x1f\x7f\u00E4\u20AC\U0001F600"sv);
  EXPECT_EQ(w.text(),
            "\"\\\"\\\\/\\u0008\\u000c\\n\\r\\t\\u0000\\u001f\\u007f\u00E4\u20AC\U0001F600\"");
}

TEST(JsonWriter, ReplacesInvalidUtf8) {
  Writer w;
  w.string(
      "a\xFF"
      "b\xED\xA0\x80\xC3");
  EXPECT_EQ(w.text(), "\"a\uFFFDb\uFFFD\uFFFD\uFFFD\uFFFD\"");
}

}  // namespace
}  // namespace linnet::json
