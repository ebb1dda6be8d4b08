#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <functional>
#include <limits>

#include "weights/base/json_tape.h"
#include "weights/base/text.h"
#include "weights/base/utf8.h"

// The text ends with the NUL of its std::string, which no rule of the grammar accepts: one look
// ahead needs no check for the end.
namespace linnet::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Characters of a string that stand for themselves and are one byte long.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

class Parser {
 public:
  explicit Parser(Tape& tape)
      : tape_(tape),
        begin_(tape.text.data()),
        end_(tape.text.data() + tape.text.size()),
        at_(begin_) {}

  void run() {
    if (tape_.text.starts_with("\xEF\xBB\xBF"))
      fail(at_, "not JSON: begins with a byte order mark");
    skip_space();
    read_value();
    while (depth_ > 0) read_next();
    skip_space();
    if (at_ != end_) expected("the end of the text");
  }

 private:
  // One member or element of the innermost container, or the end of that.
  void read_next() {
    current_ = open_[depth_ - 1];
    const Node& container = tape_.nodes[current_];
    const bool object = kind_of(container) == Kind::kObject;
    skip_space();
    if (*at_ == (object ? '}' : ']')) return close();
    if (container.size > 0) {
      if (*at_ != ',') expected(object ? "',' or '}'" : "',' or ']'");
      ++at_;
      skip_space();
    }
    key_ = object ? read_key() : Span{};
    read_value();
  }

  Span read_key() {
    if (*at_ != '"') expected("a key in quotes");
    const Span key = read_string();
    skip_space();
    if (*at_ != ':') expected("':'");
    ++at_;
    skip_space();
    return key;
  }

  // A value, of a container only the bracket that opens it.
  void read_value() {
    const std::size_t index = add();
    Node& node = tape_.nodes[index];
    switch (*at_) {
      case '{':
        return open(node, Kind::kObject);
      case '[':
        return open(node, Kind::kArray);
      case '"':
        set_kind(node, Kind::kString);
        node.string = read_string();
        return;
      case 't':
      case 'f':
        set_kind(node, Kind::kBoolean);
        node.boolean = *at_ == 't';
        return read_literal(node.boolean ? "true" : "false");
      case 'n':
        set_kind(node, Kind::kNull);
        return read_literal("null");
      default:
        if (*at_ != '-' && !is_digit(*at_)) expected("a value");
        return read_number(node);
    }
  }

  void read_literal(std::string_view literal) {
    if (!std::string_view(at_, end_).starts_with(literal)) expected("a value");
    at_ += literal.size();
  }

  void read_number(Node& node) {
    const char* const from = at_;
    const bool negative = *at_ == '-';
    if (negative) ++at_;
    if (*at_ == '0' && is_digit(at_[1])) fail(at_, "not JSON: a number with a leading zero");
    std::uint64_t magnitude = 0;
    bool wraps = false;
    const char* const digits = at_;
    for (; is_digit(*at_); ++at_) {
      wraps |= __builtin_mul_overflow(magnitude, std::uint64_t{10}, &magnitude);
      wraps |=
          __builtin_add_overflow(magnitude, static_cast<std::uint64_t>(*at_ - '0'), &magnitude);
    }
    if (at_ == digits) expected("a digit");
    const bool integer = *at_ != '.' && *at_ != 'e' && *at_ != 'E';
    if (*at_ == '.') {
      ++at_;
      skip_digits();
    }
    if (*at_ == 'e' || *at_ == 'E') {
      ++at_;
      if (*at_ == '+' || *at_ == '-') ++at_;
      skip_digits();
    }
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    const bool minus_zero = negative && !wraps && magnitude == 0;  // an int64 would lose the sign
    if (integer && !wraps && magnitude <= kMost + negative && !minus_zero) {
      set_kind(node, Kind::kInteger);
      node.integer = static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
      return;
    }
    set_kind(node, integer && !minus_zero ? Kind::kBigInteger : Kind::kFloat);
    if (std::from_chars(from, at_, node.number).ec != std::errc()) {
      fail(from, "a number beyond the range of a double");
    }
  }
  void skip_digits() {
    if (!is_digit(*at_)) expected("a digit");
    while (is_digit(*at_)) ++at_;
  }

  // A string with its quotes.
  Span read_string() {
    const char* const from = ++at_;
    skip_plain();
    if (*at_ != '"') return read_escaped(from);
    const Span span{position(from), static_cast<std::uint32_t>(at_ - from)};
    ++at_;
    return span;
  }
  // The same, of which [from, at_) is read and an escape follows.
  Span read_escaped(const char* from) {
    std::string& out = tape_.unescaped;
    const std::size_t start = out.size();
    for (;;) {
      out.append(from, at_);
      if (*at_ == '"') break;
      read_escape(out);
      from = at_;
      skip_plain();
    }
    ++at_;
    return {static_cast<std::uint32_t>(tape_.text.size() + start),
            static_cast<std::uint32_t>(out.size() - start)};
  }
  // Up to a quote or backslash.
  void skip_plain() {
    for (;;) {
      while (kPlain[static_cast<unsigned char>(*at_)]) ++at_;
      const auto c = static_cast<unsigned char>(*at_);
      if (c == '"' || c == '\\') return;
      const std::size_t bytes = c < 0x80 ? 0 : utf8_length({at_, end_});
      if (bytes == 0 && c >= 0x80) fail(at_, "not JSON: invalid UTF-8");
      if (bytes == 0) expected("the rest of a string, control characters escaped");
      at_ += bytes;
    }
  }

  void read_escape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const char* const from = at_++;
    const std::size_t i = kNames.find(*at_);
    if (i != kNames.npos) {
      out += kMeanings[i];
      ++at_;
      return;
    }
    if (*at_ != 'u') expected("an escape: one of \"\\/bfnrtu");
    ++at_;
    char32_t c = read_hex4();
    if (c >= 0xD800 && c <= 0xDBFF && at_[0] == '\\' && at_[1] == 'u') {
      at_ += 2;
      const char32_t low = read_hex4();
      if (low < 0xDC00 || low > 0xDFFF) fail(from, "not JSON: half a surrogate pair");
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    if (c >= 0xD800 && c <= 0xDFFF) fail(from, "not JSON: half a surrogate pair");
    utf8_append(out, c);
  }
  char32_t read_hex4() {
    char32_t c = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char lower = static_cast<char>(*at_ | 0x20);
      const bool letter = lower >= 'a' && lower <= 'f';
      if (!letter && !is_digit(*at_)) expected("four hexadecimal digits");
      c = c << 4 | static_cast<char32_t>(letter ? lower - 'a' + 10 : *at_ - '0');
    }
    return c;
  }

  void skip_space() {
    while (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r') ++at_;
  }

  static Kind kind_of(const Node& node) { return static_cast<Kind>(node.kind); }
  static void set_kind(Node& node, Kind kind) {
    node.kind = static_cast<std::uint32_t>(kind) & 0xF;
  }

  // A node at the current position, a member of the innermost container.
  std::size_t add() {
    const std::size_t index = tape_.nodes.size();
    if (index == kMaxValues) {
      tape_.fail(ErrorCode::kLimit, position(at_), 0,
                 "more than " + std::to_string(kMaxValues) + " values");
    }
    if (depth_ > 0) ++tape_.nodes[open_[depth_ - 1]].size;
    Node node{};
    node.position = position(at_);
    node.next = static_cast<std::uint32_t>(index) + 1;
    node.key_begin = key_.begin;
    node.key_bytes = key_.bytes & 0x0FFFFFFF;
    tape_.nodes.push_back(node);
    current_ = static_cast<std::uint32_t>(index);
    return index;
  }

  void open(Node& node, Kind kind) {
    if (depth_ == open_.size()) {
      fail(at_, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    set_kind(node, kind);
    node.size = 0;
    open_[depth_++] = current_;
    ++at_;
  }
  void close() {
    const std::uint32_t node = open_[depth_ - 1];
    if (*at_ == '}') refuse_duplicates(node);
    tape_.nodes[node].next = static_cast<std::uint32_t>(tape_.nodes.size());
    --depth_;
    ++at_;
  }

  // All keys of an object against each other: pairs when they are few, else a hash table; keys made
  // to collide in it are sorted instead.
  void refuse_duplicates(std::uint32_t object) {
    keys_.clear();
    for (std::uint32_t n = object + 1; n < tape_.nodes.size(); n = tape_.nodes[n].next) {
      keys_.push_back(n);
    }
    const auto same = [&](std::uint32_t a, std::uint32_t b) {
      return tape_.key(a) == tape_.key(b);
    };
    if (keys_.size() <= 8) {
      for (std::size_t i = 1; i < keys_.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (same(keys_[i], keys_[j])) fail_duplicate(keys_[i]);
        }
      }
      return;
    }
    constexpr std::uint32_t kFree = 0;  // node 0 is the root and has no key
    constexpr int kMostProbes = 64;
    table_.assign(std::bit_ceil(2 * keys_.size()), kFree);
    for (const std::uint32_t node : keys_) {
      std::size_t slot = std::hash<std::string_view>()(tape_.key(node)) & (table_.size() - 1);
      int probes = 0;
      for (; table_[slot] != kFree; slot = (slot + 1) & (table_.size() - 1)) {
        if (same(table_[slot], node)) fail_duplicate(node);
        if (++probes == kMostProbes) return refuse_duplicates_by_sorting();
      }
      table_[slot] = node;
    }
  }
  void refuse_duplicates_by_sorting() {
    std::sort(keys_.begin(), keys_.end(), [&](std::uint32_t a, std::uint32_t b) {
      const int order = tape_.key(a).compare(tape_.key(b));
      return order != 0 ? order < 0 : a < b;
    });
    for (std::size_t i = 1; i < keys_.size(); ++i) {
      if (tape_.key(keys_[i - 1]) == tape_.key(keys_[i])) fail_duplicate(keys_[i]);
    }
  }
  [[noreturn]] void fail_duplicate(std::uint32_t node) {
    current_ = node;
    fail(begin_ + tape_.nodes[node].position, "this key stands twice in its object");
  }

  std::uint32_t position(const char* p) const { return static_cast<std::uint32_t>(p - begin_); }

  // Throws: something else stands here.
  [[noreturn]] void expected(const std::string& what) {
    const std::size_t bytes = at_ == end_ ? 0 : std::max<std::size_t>(utf8_length({at_, end_}), 1);
    fail(at_, "not JSON: found " +
                  (bytes == 0 ? "the end of the text" : quote(std::string_view(at_, bytes))) +
                  ", expected " + what);
  }
  [[noreturn]] void fail(const char* where, const std::string& message) {
    // Containers that are open end here, so that the way to the current node can be walked.
    const auto end = static_cast<std::uint32_t>(tape_.nodes.size());
    for (; depth_ > 0; --depth_) tape_.nodes[open_[depth_ - 1]].next = end;
    tape_.fail(ErrorCode::kFormat, position(where), current_, message);
  }

  Tape& tape_;
  const char *begin_, *end_, *at_;
  Span key_{};                 // of the member that comes next
  std::uint32_t current_ = 0;  // the value, or the container of the key, that errors are about
  std::size_t depth_ = 0;
  std::array<std::uint32_t, kMaxDepth> open_{};  // the containers around the current position
  std::vector<std::uint32_t> keys_, table_;
};

}  // namespace

void parse_into(Tape& tape) { Parser(tape).run(); }

}  // namespace linnet::json
