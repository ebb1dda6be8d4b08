#include "weights/base/json.h"

#include <algorithm>
#include <limits>

#include "weights/base/error.h"
#include "weights/base/json_tape.h"
#include "weights/base/text.h"

namespace linnet::json {
namespace {

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

// Keys that need no quotes in a path.
bool is_name(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

}  // namespace

std::string Tape::path(std::uint32_t target) const {
  std::string way;
  for (std::uint32_t node = 0; node != target;) {
    std::uint32_t child = node + 1;
    std::int64_t index = 0;
    for (; nodes[child].next <= target; child = nodes[child].next) ++index;
    if (static_cast<Kind>(nodes[node].kind) == Kind::kArray) {
      way.append("[").append(std::to_string(index)).append("]");
    } else if (is_name(key(child))) {
      way.append(way.empty() ? "" : ".").append(key(child).substr(0, 60));
    } else {
      way.append("[").append(quote(key(child), 60)).append("]");
    }
    node = child;
  }
  return way;
}

void Tape::fail(ErrorCode code, std::size_t position, std::uint32_t node,
                const std::string& message) const {
  const std::string_view before = std::string_view(text).substr(0, position);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t column = position - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
  std::string whole = file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": ";
  if (const std::string where = path(node); !where.empty()) whole.append(where).append(": ");
  throw Error(code, whole + message);
}

Document::Document(std::unique_ptr<Tape> tape) : tape_(std::move(tape)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;
Value Document::root() const { return {tape_.get(), 0}; }

Document parse(std::string_view text, std::string file, std::int64_t max_bytes) {
  max_bytes = std::min(max_bytes, kMaxTextBytes);
  if (static_cast<std::int64_t>(text.size()) > max_bytes) {
    throw Error(ErrorCode::kLimit, file + ": has " + std::to_string(text.size()) +
                                       " bytes, expected at most " + std::to_string(max_bytes));
  }
  auto tape = std::make_unique<Tape>();
  tape->file = std::move(file);
  tape->text = text;
  parse_into(*tape);
  return Document(std::move(tape));
}

Kind Value::kind() const { return static_cast<Kind>(tape_->nodes[node_].kind); }

void Value::fail(const std::string& message) const {
  tape_->fail(ErrorCode::kFormat, tape_->nodes[node_].position, node_, message);
}

void Value::expect(Kind wanted, const char* expected) const {
  if (kind() != wanted) fail(std::string("found ") + kind_name(kind()) + ", expected " + expected);
}

std::string_view Value::string() const {
  expect(Kind::kString, "a string");
  return tape_->view(tape_->nodes[node_].string);
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
  if (kind() == Kind::kInteger) return static_cast<double>(node.integer);
  if (kind() == Kind::kFloat || kind() == Kind::kBigInteger) return node.number;
  if (kind() == Kind::kObject && node.size == 1) {
    if (const auto text = find("__float__"); text && text->kind() == Kind::kString) {
      if (text->string() == "Infinity") return std::numeric_limits<double>::infinity();
      if (text->string() == "-Infinity") return -std::numeric_limits<double>::infinity();
      if (text->string() == "NaN") return std::numeric_limits<double>::quiet_NaN();
    }
  }
  fail(std::string("found ") + kind_name(kind()) + ", expected a number");
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
