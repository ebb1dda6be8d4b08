// Any bytes as JSON. What is accepted is what simdjson accepts, with the same values; written down
// again and read, it is the same tree.
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tests/support/json_oracle.h"
#include "weights/base/json_writer.h"

namespace {

using linnet::json::Kind;
using linnet::json::Value;
using linnet::json::Writer;

void write(Writer& out, Value value) {
  switch (value.kind()) {
    case Kind::kNull:
      out.null();
      break;
    case Kind::kBoolean:
      out.boolean(value.boolean());
      break;
    case Kind::kInteger:
      out.integer(value.integer());
      break;
    case Kind::kBigInteger:
    case Kind::kFloat:
      out.float64(value.number());
      break;
    case Kind::kString:
      out.string(value.string());
      break;
    case Kind::kArray:
      out.begin_array();
      for (const Value element : value.elements()) write(out, element);
      out.end_array();
      break;
    case Kind::kObject:
      out.begin_object();
      for (const auto& [key, member] : value.members()) {
        out.key(key);
        write(out, member);
      }
      out.end_object();
  }
}

bool is_number(Kind kind) {
  return kind == Kind::kInteger || kind == Kind::kBigInteger || kind == Kind::kFloat;
}

// Numbers by value: 1.0 is written as 1.
bool same(Value a, Value b) {
  if (is_number(a.kind()) && is_number(b.kind())) {
    if (a.kind() == Kind::kInteger) return a.integer() == b.integer();
    return std::bit_cast<std::uint64_t>(a.number()) == std::bit_cast<std::uint64_t>(b.number());
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kBoolean:
      return a.boolean() == b.boolean();
    case Kind::kString:
      return a.string() == b.string();
    case Kind::kArray: {
      if (a.size() != b.size()) return false;
      auto twin = b.elements().begin();
      for (const Value element : a.elements()) {
        if (!same(element, *twin)) return false;
        ++twin;
      }
      return true;
    }
    case Kind::kObject: {
      if (a.size() != b.size()) return false;
      auto twin = b.members().begin();
      for (const auto& [key, member] : a.members()) {
        if (key != (*twin).key || !same(member, (*twin).value)) return false;
        ++twin;
      }
      return true;
    }
    default:
      return true;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using linnet::json::kTokenizerBytes;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (linnet::test::json_disagreement(text)) __builtin_trap();
  std::optional<linnet::json::Document> document;
  try {
    document = linnet::json::parse(text, "x", kTokenizerBytes);
  } catch (const linnet::Error&) {
    return 0;
  }
  for (const int indent : {0, 2}) {
    Writer out(indent);
    write(out, document->root());
    const auto again = linnet::json::parse(out.text(), "y", kTokenizerBytes);
    if (!same(document->root(), again.root())) __builtin_trap();
  }
  return 0;
}
