#include "tools/cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tools/cli/exit_code.h"
#include "tools/io/small_file.h"
#include "weights/base/error.h"
#include "weights/base/json.h"
#include "weights/base/text.h"

namespace linnet::cli {
namespace {

std::string flag_name(const Option& option) { return "--" + std::string(option.name); }

std::string variable_name(const Option& option) {
  std::string name = "LINNET_";
  for (char c : option.name) {
    name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

[[noreturn]] void refuse(const std::string& source, std::string_view value,
                         const std::string& expected) {
  throw UsageError(source + ": found " + quote(value) + ", expected " + expected);
}

std::string range_text(const Option& option) {
  constexpr Option any;
  if (option.low != any.low && option.high != any.high) {
    return " from " + std::to_string(option.low) + " to " + std::to_string(option.high);
  }
  if (option.low != any.low) return " of at least " + std::to_string(option.low);
  if (option.high != any.high) return " of at most " + std::to_string(option.high);
  return "";
}

template <class T>
bool parse_number(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return !text.empty() && result.ec == std::errc() && result.ptr == end;
}

// Without bounds, any finite number.
bool in_range(const Option& option, double number) {
  constexpr Option any;
  return std::isfinite(number) &&
         (option.low == any.low || number >= static_cast<double>(option.low)) &&
         (option.high == any.high || number <= static_cast<double>(option.high));
}

bool is_choice(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    const std::size_t bar = choices.find('|');
    if (choices.substr(0, bar) == value) return true;
    choices = bar == std::string_view::npos ? std::string_view() : choices.substr(bar + 1);
  }
  return false;
}

// The value in the form that the getters read; throws UsageError naming the source.
std::string checked(const Option& option, std::string_view value, const std::string& source) {
  switch (option.kind) {
    case Kind::kFlag:
      if (is_choice("1|true|True|yes|on", value)) return "true";
      if (is_choice("0|false|False|no|off", value)) return "false";
      refuse(source, value, "true or false");
    case Kind::kInteger: {
      std::int64_t number = 0;
      if (!parse_number(value, number) || number < option.low || number > option.high) {
        refuse(source, value, "an integer" + range_text(option));
      }
      break;
    }
    case Kind::kNumber: {
      double number = 0;
      if (!parse_number(value, number) || !in_range(option, number)) {
        refuse(source, value, "a number" + range_text(option));
      }
      break;
    }
    case Kind::kChoice:
      if (!is_choice(option.choices, value)) {
        refuse(source, value, "one of " + std::string(option.choices));
      }
      break;
    case Kind::kFile:
    case Kind::kDirectory:
      if (value.empty()) refuse(source, value, "a path");
      break;
    case Kind::kText:
      break;
  }
  return std::string(value);
}

// A value of a configuration file as it would be typed.
std::string typed(const json::Value& value) {
  switch (value.kind()) {
    case json::Kind::kString:
      return std::string(value.string());
    case json::Kind::kBoolean:
      return value.boolean() ? "true" : "false";
    case json::Kind::kInteger:
      return std::to_string(value.integer());
    case json::Kind::kFloat: {
      char text[32];
      const auto end = std::to_chars(text, text + sizeof(text), value.number()).ptr;
      return std::string(text, end);
    }
    default:
      value.fail("expected a string, a number, true or false");
  }
}

const Option* find_anywhere(const Program& program, std::string_view name) {
  for (const Command* command : program.commands) {
    if (const Option* option = find_option(*command, name); option != nullptr) return option;
  }
  return nullptr;
}

void refuse_unknown_key(const Program& program, const json::Member& member,
                        const std::string& name) {
  std::vector<std::string_view> names;
  for (const Command* command : program.commands) {
    for_each_option(*command, [&](const Option& option) { names.push_back(option.name); });
  }
  const std::string_view near = nearest(name, names);
  member.value.fail("no option has this name" +
                    (near.empty() ? "" : "; did you mean \"" + std::string(near) + "\"?"));
}

}  // namespace

Arguments::Arguments(const Program& program, const Command& command, Words words,
                     Environment environment)
    : program_(&program), command_(&command), positionals_(std::move(words.positionals)) {
  for_each_option(command, [&](const Option& option) { settings_.push_back({&option, {}}); });
  if (command.positionals.empty() && !positionals_.empty()) {
    throw UsageError("unexpected argument " + quote(positionals_.front()));
  }
  take_words(words);
  take_environment(environment);
  if (const auto path = maybe(kConfig); path.has_value()) take_config(*path);
  take_defaults();
}

void Arguments::take_words(const Words& words) {
  for (const Words::Value& value : words.values) {
    Setting& s = setting(*value.option);
    std::string text = checked(*value.option, value.text, flag_name(*value.option));
    if (!value.option->repeatable) s.values.clear();
    s.values.push_back(std::move(text));
    s.given = true;
  }
}

void Arguments::take_environment(Environment environment) {
  for (Setting& s : settings_) {
    if (s.given || s.option == &kHelp || s.option == &kVersionOption) continue;
    const std::string variable = variable_name(*s.option);
    const char* text = environment(variable.c_str());
    if (text == nullptr || *text == '\0') continue;
    s.values = {checked(*s.option, text, variable)};
    s.given = true;
  }
}

void Arguments::take_config(const std::string& path) {
  try {
    const json::Document document =
        json::parse(io::read_small_file(path, json::kConfigBytes), path, json::kConfigBytes);
    for (const json::Member member : document.root().members()) {
      std::string name(member.key);
      std::replace(name.begin(), name.end(), '_', '-');
      const Option* option = find_option(*command_, name);
      if (option == nullptr || option == &kConfig) {
        if (find_anywhere(*program_, name) == nullptr) {
          refuse_unknown_key(*program_, member, name);
        }
        continue;  // of another command
      }
      Setting& s = setting(*option);
      if (s.given) continue;
      const std::string source = path + ": " + quote(member.key);
      if (option->repeatable && member.value.kind() == json::Kind::kArray) {
        for (const json::Value value : member.value.elements()) {
          s.values.push_back(checked(*option, typed(value), source));
        }
      } else {
        s.values = {checked(*option, typed(member.value), source)};
      }
      s.given = true;
    }
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

void Arguments::take_defaults() {
  for (Setting& s : settings_) {
    if (!s.values.empty()) continue;
    if (s.option->required) {
      throw UsageError("option " + flag_name(*s.option) + " " + std::string(s.option->value) +
                       " is needed");
    }
    if (!s.option->fallback.empty()) {
      s.values = {checked(*s.option, s.option->fallback, flag_name(*s.option))};
    }
  }
}

std::size_t Arguments::index(const Option& option) const {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (settings_[i].option == &option) return i;
  }
  throw std::logic_error("option " + std::string(option.name) + " is not of this command");
}

bool Arguments::given(const Option& option) const { return setting(option).given; }

bool Arguments::flag(const Option& option) const { return text(option) == "true"; }

std::string_view Arguments::text(const Option& option) const {
  const Setting& s = setting(option);
  return s.values.empty() ? std::string_view() : std::string_view(s.values.back());
}

std::optional<std::string> Arguments::maybe(const Option& option) const {
  const Setting& s = setting(option);
  if (s.values.empty()) return std::nullopt;
  return s.values.back();
}

std::optional<std::int64_t> Arguments::maybe_integer(const Option& option) const {
  const Setting& s = setting(option);
  std::int64_t value = 0;
  if (s.values.empty() || !parse_number(s.values.back(), value)) return std::nullopt;
  return value;
}

std::int64_t Arguments::integer(const Option& option) const {
  return maybe_integer(option).value_or(0);
}

double Arguments::number(const Option& option) const {
  double value = 0;
  parse_number(text(option), value);
  return value;
}

std::vector<std::string> Arguments::list(const Option& option) const {
  return setting(option).values;
}

}  // namespace linnet::cli
