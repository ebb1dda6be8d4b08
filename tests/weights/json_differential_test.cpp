#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/support/json_oracle.h"

namespace linnet::json {
namespace {

// Random texts: valid JSON of every kind, then with some bytes changed.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::string text() {
    std::string out;
    value(out, 0);
    return out;
  }
  std::string damaged(std::string text) {
    constexpr std::string_view kBytes =
        "{}[]\",:\\/u0123456789+-.eEtrufalsn \t\n\x00\x1f\x7f\x80\xC3\xED\xEF\xF4\xFF";
    for (std::size_t i = 0, n = 1 + below(3); i < n; ++i) {
      const std::size_t at = below(text.size() + 1);
      const char byte = kBytes[below(kBytes.size())];
      switch (below(4)) {
        case 0:
          text.insert(at, 1, byte);
          break;
        case 1:
          if (at < text.size()) text.erase(at, 1 + below(3));
          break;
        case 2:
          text.insert(at, text.substr(below(text.size() + 1), below(8)));
          break;
        default:
          if (at < text.size()) text[at] = byte;
      }
    }
    return text;
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  void space(std::string& out) { out.append(below(4) == 0 ? below(3) : 0, " \t\n\r"[below(4)]); }

  void value(std::string& out, int depth) {
    space(out);
    switch (below(depth < 5 ? 8 : 6)) {
      case 0:
        out += "null";
        break;
      case 1:
        out += below(2) == 0 ? "true" : "false";
        break;
      case 2:
      case 3:
        number(out);
        break;
      case 4:
      case 5:
        string(out);
        break;
      case 6:
        container(out, '[', ']', depth);
        break;
      default:
        container(out, '{', '}', depth);
    }
    space(out);
  }
  void container(std::string& out, char open, char close, int depth) {
    out += open;
    for (std::size_t i = 0, n = below(below(8) == 0 ? 20 : 4); i < n; ++i) {
      if (i > 0) out += ',';
      if (open == '{') {
        space(out);
        string(out);
        space(out);
        out += ':';
      }
      value(out, depth + 1);
    }
    space(out);
    out += close;
  }
  void digits(std::string& out, std::size_t most) {
    for (std::size_t i = 0, n = 1 + below(most); i < n; ++i) {
      out += static_cast<char>('0' + below(10));
    }
  }
  void number(std::string& out) {
    if (below(3) == 0) out += '-';
    if (below(4) == 0) {
      out += '0';
    } else {
      out += static_cast<char>('1' + below(9));
      if (below(2) == 0) digits(out, below(6) == 0 ? 22 : 4);
    }
    if (below(3) == 0) digits(out += '.', below(6) == 0 ? 40 : 5);
    if (below(4) == 0) {
      out += below(2) == 0 ? "e" : "E";
      if (below(2) == 0) out += below(2) == 0 ? "+" : "-";
      digits(out, 3);
    }
  }
  void string(std::string& out) {
    constexpr std::string_view kParts[] = {"a",
                                           "b",
                                           "key",
                                           " ",
                                           "/",
                                           "\\\"",
                                           "\\\\",
                                           "\\/",
                                           "\\n",
                                           "\\t",
                                           "\\b",
                                           "\\f",
                                           "\\r",
                                           "\\u0000",
                                           "\\u00e4",
                                           "\\uFFFF",
                                           "\\uD83d\\ude00",
                                           "\x7f",
                                           "\u00E4",
                                           "\u20AC",
                                           "\U0001F600"};
    out += '"';
    for (std::size_t i = 0, n = below(6); i < n; ++i) out += kParts[below(std::size(kParts))];
    out += '"';
  }

  std::mt19937 random_;
};

TEST(JsonDifferential, AgreesWithSimdjson) {
  Generator random(20'240'601);
  for (int i = 0; i < 30'000; ++i) {
    const std::string text = random.text();
    EXPECT_EQ(test::json_disagreement(text).value_or(""), "") << text;
    const std::string damaged = random.damaged(text);
    EXPECT_EQ(test::json_disagreement(damaged).value_or(""), "") << damaged;
  }
}

}  // namespace
}  // namespace linnet::json
