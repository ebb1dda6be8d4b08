#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cli/option.h"

namespace linnet::cli {

/// What the command line said, word by word, before anything is looked up or checked.
struct Words {
  struct Value {
    const Option* option;
    std::string text;
  };
  std::vector<Value> values;  // in the order given
  std::vector<std::string> positionals;
};

/// Splits the words after the command's name. Throws UsageError for unknown options (with the
/// nearest name) and for options without their value.
Words split_words(const Command& command, std::span<const char* const> words);

/// The environment as a function, so that tests need no real one. Null when not set.
using Environment = const char* (*)(const char* name);

/// The values of a command's options, from the strongest source that has one: command line,
/// environment (LINNET_<OPTION>), configuration file, default.
class Arguments {
 public:
  /// Throws UsageError naming the source for a value that is no number, out of range or no choice,
  /// for a missing required option, and for a configuration file that names no option of any
  /// command of the program.
  Arguments(const Program& program, const Command& command, Words words, Environment environment);

  /// True when the option has a value from a source other than its default.
  bool given(const Option& option) const;
  bool flag(const Option& option) const;
  /// The last value; empty when there is none.
  std::string_view text(const Option& option) const;
  /// The last value, if there is one.
  std::optional<std::string> maybe(const Option& option) const;
  std::optional<std::int64_t> maybe_integer(const Option& option) const;
  /// The value of an option that has one or a default.
  std::int64_t integer(const Option& option) const;
  double number(const Option& option) const;
  std::vector<std::string> list(const Option& option) const;

  const std::vector<std::string>& positionals() const { return positionals_; }
  const Command& command() const { return *command_; }
  /// The name that the command was called by, one of its aliases or its own.
  std::string_view called() const { return called_.empty() ? command_->name : called_; }
  void set_called(std::string_view name) { called_ = name; }
  const Program& program() const { return *program_; }

 private:
  struct Setting {
    const Option* option;
    std::vector<std::string> values;
    bool given = false;
  };
  std::size_t index(const Option& option) const;
  Setting& setting(const Option& option) { return settings_[index(option)]; }
  const Setting& setting(const Option& option) const { return settings_[index(option)]; }
  void take_words(const Words& words);
  void take_environment(Environment environment);
  void take_config(const std::string& path);
  void take_defaults();

  const Program* program_;
  const Command* command_;
  std::string_view called_;
  std::vector<Setting> settings_;
  std::vector<std::string> positionals_;
};

/// The name nearest to `wrong` among `names` by edit distance, empty when none is near.
std::string_view nearest(std::string_view wrong, std::span<const std::string_view> names);

}  // namespace linnet::cli
