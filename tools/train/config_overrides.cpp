#include "tools/train/config_overrides.h"

#include <charconv>
#include <map>

#include "tools/convert/plan.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

using Overrides = std::map<std::string_view, std::string_view>;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "config-overrides: " + what);
}

Overrides parse(std::string_view text) {
  Overrides all;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      fail(quote(part) + ", expected KEY=VALUE");
    }
    all[part.substr(0, equals)] = part.substr(equals + 1);
    text.remove_prefix(std::min(part.size() + 1, text.size()));
  }
  return all;
}

template <class T>
T number(std::string_view key, std::string_view text, const char* kind) {
  T value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    fail(quote(key) + " is " + quote(text) + ", expected " + kind);
  }
  return value;
}

void write(json::Writer& out, json::Value old, std::string_view key, std::string_view text) {
  switch (old.kind()) {
    case json::Kind::kBoolean:
      if (text != "true" && text != "false") {
        fail(quote(key) + " is " + quote(text) + ", expected true or false");
      }
      out.boolean(text == "true");
      return;
    case json::Kind::kInteger:
    case json::Kind::kNull:
      out.integer(number<std::int64_t>(key, text, "an integer"));
      return;
    case json::Kind::kFloat:
      out.float64(number<double>(key, text, "a number"));
      return;
    case json::Kind::kString:
      out.string(text);
      return;
    default:
      fail(quote(key) + " cannot be replaced");
  }
}

}  // namespace

std::string override_config(json::Value config, std::string_view overrides) {
  const Overrides all = parse(overrides);
  for (const auto& entry : all) {
    if (!config.find(entry.first)) fail(quote(entry.first) + " is not in config.json");
  }
  json::Writer out(2);
  out.begin_object();
  for (const json::Member m : config.members()) {
    out.key(m.key);
    const auto found = all.find(m.key);
    if (found == all.end()) {
      copy_value(out, m.value);
    } else {
      write(out, m.value, m.key, found->second);
    }
  }
  return std::move(out.end_object()).text() + "\n";
}

}  // namespace linnet::tools
