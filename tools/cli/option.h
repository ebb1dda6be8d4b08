#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <string_view>

// The command line as data. Parsing, help, completion and man pages all read these tables.
namespace linnet::cli {

enum class Kind : std::uint8_t { kFlag, kText, kInteger, kNumber, kChoice, kFile, kDirectory };

/// One option. A command lists the options it acts on; there are no others.
struct Option {
  std::string_view name;  // "max-length": --max-length, --max_length, LINNET_MAX_LENGTH
  Kind kind = Kind::kFlag;
  std::string_view value = {};     // what help calls its value, e.g. "N"
  std::string_view help = {};      // one sentence, without the default
  std::string_view fallback = {};  // the value without any source, as it would be typed
  std::string_view letter = {};    // "o": -o; several letters are one option, as in -pg
  std::string_view choices = {};   // of kChoice: "right|left"
  std::int64_t low = std::numeric_limits<std::int64_t>::min();  // of kInteger and kNumber
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
  bool required = false;
  bool repeatable = false;  // each occurrence adds a value; otherwise the last one counts
};

/// The options of several lists, one list after the other.
template <std::size_t... N>
constexpr auto joined(const Option* const (&... lists)[N]) {
  std::array<const Option*, (N + ...)> all{};
  auto end = all.begin();
  ((end = std::copy(std::begin(lists), std::end(lists), end)), ...);
  return all;
}

class Arguments;
struct Console;

/// One sub-command.
struct Command {
  std::string_view name;
  std::string_view summary;           // one line, no full stop
  std::string_view positionals = {};  // as in the synopsis, e.g. "[TEXT...]"; empty: takes none
  std::string_view description = {};  // paragraphs
  std::string_view examples = {};     // one command a line, each after a line with '# '
  std::span<const Option* const> options = {};
  int (*run)(const Arguments&, Console&) = nullptr;  // gives the exit code
  std::string_view tasks = {};  // what it does, by the names of transformers: "ner|..."
  std::string_view alias = {};  // other names: "a|b"
  /// Instead of `run`: the choice option whose value is the task of the command to run.
  const Option* task_option = nullptr;
};

/// A program with sub-commands.
struct Program {
  std::string_view name;
  std::string_view summary;
  std::span<const Command* const> commands;
};

/// The options that every command has.
inline constexpr Option kHelp{.name = "help", .help = "Show this text.", .letter = "h"};
inline constexpr Option kVersionOption{.name = "version", .help = "Show what this program is."};
inline constexpr Option kConfig{
    .name = "config",
    .kind = Kind::kFile,
    .value = "FILE",
    .help = "JSON object with values of options; environment and command line go first."};
inline constexpr Option kLogFormat{.name = "log-format",
                                   .kind = Kind::kChoice,
                                   .value = "FORMAT",
                                   .help = "Messages on standard error.",
                                   .fallback = "text",
                                   .choices = "text|json"};
inline constexpr Option kVerbose{.name = "verbose",
                                 .help = "Tell version, level, threads, time and memory."};
inline constexpr const Option* kEveryCommand[] = {&kConfig, &kLogFormat, &kVerbose, &kHelp,
                                                  &kVersionOption};

/// The option of `command` (or of every command) with this name, or null.
const Option* find_option(const Command& command, std::string_view name);
/// The same by its letters, the text after one '-'.
const Option* find_letter(const Command& command, std::string_view letter);
/// The command with this name or alias, or null.
const Command* find_command(const Program& program, std::string_view name);
/// The command that does this task, or null.
const Command* find_task(const Program& program, std::string_view task);

/// f(part) for each part of "a|b|c".
template <class F>
void for_each_choice(std::string_view choices, F&& f) {
  while (!choices.empty()) {
    const std::size_t bar = std::min(choices.find('|'), choices.size());
    f(choices.substr(0, bar));
    choices.remove_prefix(std::min(bar + 1, choices.size()));
  }
}

/// f(option) for each option of the command, then for those of every command.
template <class F>
void for_each_option(const Command& command, F&& f) {
  for (const Option* option : command.options) f(*option);
  for (const Option* option : kEveryCommand) f(*option);
}

}  // namespace linnet::cli
