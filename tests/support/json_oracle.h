#pragma once

#include <simdjson.h>

#include <bit>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "weights/base/error.h"
#include "weights/base/json.h"

// simdjson's opinion about a text, to compare ours with.
namespace linnet::test {

/// True when an object in it has a key twice: simdjson does not mind.
inline bool has_duplicates(simdjson::dom::element value) {
  if (value.is_array()) {
    const simdjson::dom::array array = value.get_array().value_unsafe();
    for (const auto element : array) {
      if (has_duplicates(element)) return true;
    }
  }
  if (value.is_object()) {
    std::set<std::string_view> keys;
    const simdjson::dom::object object = value.get_object().value_unsafe();
    for (const auto field : object) {
      if (!keys.insert(field.key).second || has_duplicates(field.value)) return true;
    }
  }
  return false;
}

inline bool same_value(json::Value ours, simdjson::dom::element theirs);

inline bool same_number(json::Value ours, simdjson::dom::element theirs) {
  if (theirs.is_int64()) {
    const std::int64_t value = theirs.get_int64().value_unsafe();
    // They read -0 as the integer 0.
    return ours.kind() == json::Kind::kInteger ? ours.integer() == value
                                               : value == 0 && ours.number() == 0;
  }
  if (theirs.is_uint64()) {
    return ours.kind() == json::Kind::kBigInteger &&
           ours.number() == static_cast<double>(theirs.get_uint64().value_unsafe());
  }
  return ours.kind() == json::Kind::kFloat &&
         std::bit_cast<std::uint64_t>(ours.number()) ==
             std::bit_cast<std::uint64_t>(theirs.get_double().value_unsafe());
}

inline bool same_members(json::Value ours, simdjson::dom::element theirs) {
  const simdjson::dom::object object = theirs.get_object().value_unsafe();
  if (ours.size() != static_cast<std::int64_t>(object.size())) return false;
  auto it = object.begin();
  for (const json::Member m : ours.members()) {
    if (m.key != (*it).key || !same_value(m.value, (*it).value)) return false;
    ++it;
  }
  return true;
}

inline bool same_elements(json::Value ours, simdjson::dom::element theirs) {
  const simdjson::dom::array array = theirs.get_array().value_unsafe();
  auto it = array.begin();
  for (const json::Value element : ours.elements()) {
    if (!(it != array.end()) || !same_value(element, *it)) return false;
    ++it;
  }
  return !(it != array.end());
}

inline bool same_value(json::Value ours, simdjson::dom::element theirs) {
  switch (ours.kind()) {
    case json::Kind::kNull:
      return theirs.is_null();
    case json::Kind::kBoolean:
      return theirs.is_bool() && theirs.get_bool().value_unsafe() == ours.boolean();
    case json::Kind::kString:
      return theirs.is_string() && theirs.get_string().value_unsafe() == ours.string();
    case json::Kind::kArray:
      return theirs.is_array() && same_elements(ours, theirs);
    case json::Kind::kObject:
      return theirs.is_object() && same_members(ours, theirs);
    default:
      return theirs.is_number() && same_number(ours, theirs);
  }
}

inline bool has_big_integer(json::Value value) {
  if (value.kind() == json::Kind::kArray) {
    for (const json::Value element : value.elements()) {
      if (has_big_integer(element)) return true;
    }
  } else if (value.kind() == json::Kind::kObject) {
    for (const json::Member member : value.members()) {
      if (has_big_integer(member.value)) return true;
    }
  }
  return value.kind() == json::Kind::kBigInteger;
}

/// What we and simdjson do not agree on, or nothing. Known and allowed: they keep duplicate keys,
/// refuse integers beyond 64 bits, and round numbers too small for a double to zero.
inline std::optional<std::string> json_disagreement(std::string_view text) {
  std::optional<json::Document> ours;
  std::string message;
  try {
    ours = json::parse(text, "x", json::kTokenizerBytes);
  } catch (const Error& e) {
    message = e.what();
  }
  simdjson::dom::parser parser;
  simdjson::dom::element theirs;
  const simdjson::error_code error =
      parser.allocate(text.size() + 64, static_cast<std::size_t>(json::kMaxDepth))
          ? simdjson::MEMALLOC
          : parser.parse(text.data(), text.size()).get(theirs);
  if (ours && error) {
    if (has_big_integer(ours->root())) return std::nullopt;
    return std::string("they refuse: ") + simdjson::error_message(error);
  }
  if (ours && !same_value(ours->root(), theirs)) return "the values differ";
  if (!ours && !error) {
    if (has_duplicates(theirs) || message.find("range of a double") != message.npos) {
      return std::nullopt;
    }
    return "we refuse: " + message;
  }
  return std::nullopt;
}

}  // namespace linnet::test
