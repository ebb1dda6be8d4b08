#include "weights/base/json.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::json {

struct Node {
  std::uint32_t position;  // byte of the text at which the value ends or its container begins
  std::uint32_t key_begin, key_bytes;  // of the arena; members only
  std::uint32_t next;                  // the node after this value and everything in it
  Kind kind;
  union {
    bool boolean;
    std::int64_t integer;
    double number;  // kFloat, kBigInteger
    struct {
      std::uint32_t begin, bytes;
    } string;
    std::uint32_t size;  // kArray, kObject
  };
};

struct Tape {
  std::string file;
  std::string arena;
  std::vector<Node> nodes;
  std::vector<std::uint32_t> lines;  // positions of the text's newlines

  std::string_view key(std::uint32_t node) const {
    return std::string_view(arena).substr(nodes[node].key_begin, nodes[node].key_bytes);
  }
  std::string location(std::uint32_t position) const {
    const auto line = std::lower_bound(lines.begin(), lines.end(), position);
    const std::uint32_t start = line == lines.begin() ? 0 : *(line - 1) + 1;
    return file + ":" + std::to_string(line - lines.begin() + 1) + ":" +
           std::to_string(position - start + 1);
  }
  // The keys and indices that lead from the root to a node.
  std::string path(std::uint32_t target) const {
    std::string text;
    std::uint32_t node = 0;
    while (node != target) {
      const bool object = nodes[node].kind == Kind::kObject;
      std::uint32_t child = node + 1;
      std::int64_t index = 0;
      for (; nodes[child].next <= target; child = nodes[child].next) ++index;
      if (object) {
        const std::string name = quote(key(child), 60);
        if (!text.empty()) text += '.';
        text.append(name, 1, name.rfind('"') - 1);
      } else {
        text.append("[").append(std::to_string(index)).append("]");
      }
      node = child;
    }
    return text;
  }
  [[noreturn]] void fail(std::uint32_t position, const std::string& where,
                         const std::string& message) const {
    std::string text = location(position) + ": ";
    if (!where.empty()) text.append(where).append(": ");
    throw Error(ErrorCode::kFormat, text + message);
  }
};

namespace {

// A pointer into the text that tells how far the parser has read.
struct Cursor {
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  const char** furthest = nullptr;

  const char& operator*() const { return *at; }
  Cursor& operator++() {
    *furthest = ++at;
    return *this;
  }
  Cursor operator++(int) {
    Cursor old = *this;
    ++*this;
    return old;
  }
  bool operator==(const Cursor& other) const { return at == other.at; }
};

// Receives the events of the parser; its functions have the names that nlohmann's SAX interface
// asks for.
class Builder {
 public:
  Builder(Tape& tape, const char* text, const char* const& read)
      : tape_(tape), text_(text), read_(read) {}

  bool null() { return add(Kind::kNull), true; }
  bool boolean(bool value) { return add(Kind::kBoolean).boolean = value, true; }
  // Called for numbers with a minus sign; "-0" is no integer that an int64 could tell from 0.
  bool number_integer(std::int64_t value) {
    if (value == 0) return add(Kind::kFloat).number = -0.0, true;
    return add(Kind::kInteger).integer = value, true;
  }
  bool number_unsigned(std::uint64_t value) {
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return add(Kind::kInteger).integer = static_cast<std::int64_t>(value), true;
    }
    return add(Kind::kBigInteger).number = static_cast<double>(value), true;
  }
  bool number_float(double value, const std::string& digits) {
    const bool integer = digits.find_first_of(".eE") == std::string::npos;
    return add(integer ? Kind::kBigInteger : Kind::kFloat).number = value, true;
  }
  bool string(std::string& value) {
    const std::uint32_t begin = store(value);
    add(Kind::kString).string = {begin, static_cast<std::uint32_t>(value.size())};
    return true;
  }
  bool binary(std::vector<std::uint8_t>&) { return false; }
  bool start_object(std::size_t) { return open(Kind::kObject); }
  bool start_array(std::size_t) { return open(Kind::kArray); }
  bool key(std::string& value) {
    key_begin_ = store(value);
    key_bytes_ = static_cast<std::uint32_t>(value.size());
    return true;
  }
  bool end_array() { return close(), true; }
  bool end_object() {
    refuse_duplicates(open_.back());
    return close(), true;
  }
  bool parse_error(std::size_t, const std::string& token, const nlohmann::json::exception& e) {
    // The library's text after the last ": " says what it wanted; its prefix repeats the position.
    const std::string what = e.what();
    const std::size_t reason = what.find("; last read");
    const std::size_t colon = what.rfind(": ", reason);
    const std::string clean =
        colon == std::string::npos
            ? what
            : what.substr(colon + 2, reason == std::string::npos ? reason : reason - colon - 2);
    const auto at = static_cast<std::uint32_t>(std::max<std::ptrdiff_t>(read_ - text_ - 1, 0));
    fail(at, "not JSON: " + clean + (token.empty() ? "" : ", found " + quote(token, 40)));
  }

 private:
  std::uint32_t position() const { return static_cast<std::uint32_t>(read_ - text_); }

  [[noreturn]] void fail(std::uint32_t position, const std::string& message) {
    // Close what is open, so that the path can be walked.
    const auto end = static_cast<std::uint32_t>(tape_.nodes.size());
    std::string where;
    if (!open_.empty()) {
      const std::uint32_t inner = open_.back();
      for (; !open_.empty(); open_.pop_back()) tape_.nodes[open_.back()].next = end;
      where = tape_.path(inner);
    }
    tape_.fail(position, where, message);
  }

  std::uint32_t store(const std::string& value) {
    const auto begin = static_cast<std::uint32_t>(tape_.arena.size());
    tape_.arena += value;
    return begin;
  }

  Node& add(Kind kind) {
    Node node{};
    node.position = position();
    node.key_begin = key_begin_;
    node.key_bytes = key_bytes_;
    node.kind = kind;
    node.next = static_cast<std::uint32_t>(tape_.nodes.size()) + 1;
    if (!open_.empty()) tape_.nodes[open_.back()].size++;
    return tape_.nodes.emplace_back(node);
  }

  bool open(Kind kind) {
    if (static_cast<std::int64_t>(open_.size()) == kMaxDepth) {
      fail(position(), "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    add(kind).size = 0;
    open_.push_back(static_cast<std::uint32_t>(tape_.nodes.size()) - 1);
    return true;
  }
  void close() {
    tape_.nodes[open_.back()].next = static_cast<std::uint32_t>(tape_.nodes.size());
    open_.pop_back();
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
      const std::string_view name = tape_.key(node);
      std::size_t slot = XXH3_64bits(name.data(), name.size()) & (table_.size() - 1);
      int probes = 0;
      for (; table_[slot] != kFree; slot = (slot + 1) & (table_.size() - 1)) {
        if (same(table_[slot], node)) fail_duplicate(node);
        if (++probes == kMostProbes) return refuse_duplicates_by_sorting();
      }
      table_[slot] = node;
    }
  }
  void refuse_duplicates_by_sorting() {
    std::sort(keys_.begin(), keys_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return tape_.key(a) < tape_.key(b); });
    const auto twice = std::adjacent_find(
        keys_.begin(), keys_.end(),
        [&](std::uint32_t a, std::uint32_t b) { return tape_.key(a) == tape_.key(b); });
    if (twice != keys_.end()) fail_duplicate(*twice);
  }
  [[noreturn]] void fail_duplicate(std::uint32_t node) {
    fail(tape_.nodes[node].position, "the key " + quote(tape_.key(node), 60) + " stands twice");
  }

  Tape& tape_;
  const char* text_;
  const char* const& read_;
  std::uint32_t key_begin_ = 0, key_bytes_ = 0;
  std::vector<std::uint32_t> open_;  // containers around the current position
  std::vector<std::uint32_t> keys_, table_;
};

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBoolean:
      return "a boolean";
    case Kind::kInteger:
      return "an integer";
    case Kind::kBigInteger:
      return "an integer beyond 64 bits";
    case Kind::kFloat:
      return "a number with fraction or exponent";
    case Kind::kString:
      return "a string";
    case Kind::kArray:
      return "an array";
    case Kind::kObject:
      return "an object";
  }
  return "nothing";
}

}  // namespace

Document::Document(std::unique_ptr<Tape> tape) : tape_(std::move(tape)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;
Value Document::root() const { return {tape_.get(), 0}; }

Document parse(std::string_view text, std::string file, std::int64_t max_bytes) {
  if (static_cast<std::int64_t>(text.size()) > max_bytes) {
    throw Error(ErrorCode::kLimit, file + ": has " + std::to_string(text.size()) +
                                       " bytes, expected at most " + std::to_string(max_bytes));
  }
  auto tape = std::make_unique<Tape>();
  tape->file = std::move(file);
  for (std::size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 1)) {
    tape->lines.push_back(static_cast<std::uint32_t>(at));
  }
  if (text.starts_with("\xEF\xBB\xBF"))
    tape->fail(0, "", "not JSON: begins with a byte order mark");
  if (const std::size_t nul = text.find('\0'); nul != text.npos) {
    tape->fail(static_cast<std::uint32_t>(nul), "", "not JSON: a NUL byte");
  }
  const char* read = text.data();
  Builder builder(*tape, text.data(), read);
  const Cursor begin{text.data(), &read}, end{text.data() + text.size(), &read};
  nlohmann::json::sax_parse(begin, end, &builder);
  return Document(std::move(tape));
}

Kind Value::kind() const { return tape_->nodes[node_].kind; }

void Value::fail(const std::string& message) const {
  tape_->fail(tape_->nodes[node_].position, tape_->path(node_), message);
}

void Value::expect(Kind wanted, const char* expected) const {
  if (kind() != wanted) fail(std::string("found ") + kind_name(kind()) + ", expected " + expected);
}

std::string_view Value::string() const {
  expect(Kind::kString, "a string");
  const auto& s = tape_->nodes[node_].string;
  return std::string_view(tape_->arena).substr(s.begin, s.bytes);
}

bool Value::boolean() const {
  expect(Kind::kBoolean, "a boolean");
  return tape_->nodes[node_].boolean;
}

std::int64_t Value::integer() const {
  expect(Kind::kInteger, "an integer");
  return tape_->nodes[node_].integer;
}

std::int64_t Value::integer(std::int64_t low, std::int64_t high) const {
  const std::int64_t value = integer();
  if (value < low || value > high) {
    fail("found " + std::to_string(value) + ", expected " + std::to_string(low) + " to " +
         std::to_string(high));
  }
  return value;
}

double Value::number() const {
  const Node& node = tape_->nodes[node_];
  if (node.kind == Kind::kInteger) return static_cast<double>(node.integer);
  if (node.kind == Kind::kFloat || node.kind == Kind::kBigInteger) return node.number;
  if (node.kind == Kind::kObject && node.size == 1) {
    if (const auto text = find("__float__"); text && text->kind() == Kind::kString) {
      if (text->string() == "Infinity") return std::numeric_limits<double>::infinity();
      if (text->string() == "-Infinity") return -std::numeric_limits<double>::infinity();
      if (text->string() == "NaN") return std::numeric_limits<double>::quiet_NaN();
    }
  }
  fail(std::string("found ") + kind_name(node.kind) + ", expected a number");
}

std::optional<Value> Value::find(std::string_view key) const {
  for (const Member member : members()) {
    if (member.key == key) return member.value;
  }
  return std::nullopt;
}

std::optional<Value> Value::find_non_null(std::string_view key) const {
  const auto value = find(key);
  return value && !value->is_null() ? value : std::nullopt;
}

Value Value::at(std::string_view key) const {
  if (const auto value = find(key)) return *value;
  fail("the key " + quote(key) + " is missing");
}

Members Value::members() const {
  expect(Kind::kObject, "an object");
  return {tape_, node_ + 1, tape_->nodes[node_].next};
}

Elements Value::elements() const {
  expect(Kind::kArray, "an array");
  return {tape_, node_ + 1, tape_->nodes[node_].next};
}

std::int64_t Value::size() const {
  if (kind() != Kind::kArray) expect(Kind::kObject, "an array or an object");
  return tape_->nodes[node_].size;
}

Member Members::Iterator::operator*() const { return {tape_->key(node_), Value(tape_, node_)}; }

Members::Iterator& Members::Iterator::operator++() {
  node_ = tape_->nodes[node_].next;
  return *this;
}

}  // namespace linnet::json
