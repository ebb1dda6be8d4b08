#include "tools/cli/help.h"

#include <algorithm>

namespace linnet::cli {
namespace {

constexpr std::size_t kWidth = 80;

// Appends `text`, broken at blanks, each line after the first beginning with `indent` blanks.
void wrap(std::string& out, std::string_view text, std::size_t indent, std::size_t column) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    const std::string_view word = text.substr(0, end);
    if (column > indent && column + 1 + word.size() > kWidth) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    if (end < text.size() && text[end] == '\n') {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void list_option(std::string& out, const Option& option) {
  constexpr std::size_t kColumn = 28;
  const std::string left = "  " + spelling(option);
  out += left;
  if (left.size() + 2 > kColumn) {
    out += '\n' + std::string(kColumn, ' ');
  } else {
    out += std::string(kColumn - left.size(), ' ');
  }
  wrap(out, explanation(option), kColumn, kColumn);
  out += '\n';
}

}  // namespace

std::string spelling(const Option& option) {
  std::string text;
  if (!option.letter.empty()) text += "-" + std::string(option.letter) + ", ";
  text += "--" + std::string(option.name);
  if (option.kind != Kind::kFlag) text += " " + std::string(option.value);
  return text;
}

std::string explanation(const Option& option) {
  constexpr Option any;
  std::string text(option.help);
  std::string more;
  const auto add = [&](const std::string& what) { more += (more.empty() ? "" : "; ") + what; };
  if (!option.choices.empty()) {
    std::string choices(option.choices);
    for (std::size_t bar; (bar = choices.find('|')) != std::string::npos;) {
      choices.replace(bar, 1, ", ");
    }
    add("one of " + choices);
  }
  if (option.low != any.low && option.high != any.high) {
    add(std::to_string(option.low) + " to " + std::to_string(option.high));
  } else if (option.low != any.low) {
    add("at least " + std::to_string(option.low));
  }
  if (!option.fallback.empty()) add("default " + std::string(option.fallback));
  if (option.repeatable) add("may be given again");
  if (option.required) add("needed");
  if (!more.empty()) text += " (" + more + ")";
  return text;
}

std::string synopsis(const Program& program, const Command& command) {
  std::string text = std::string(program.name) + " " + std::string(command.name);
  for (const Option* option : command.options) {
    if (option->required) {
      text += " --" + std::string(option->name) + " " + std::string(option->value);
    }
  }
  text += " [OPTIONS]";
  if (!command.positionals.empty()) text += " " + std::string(command.positionals);
  return text;
}

std::string help(const Program& program, const Command& command) {
  std::string out = "Usage: " + synopsis(program, command) + "\n\n";
  wrap(out, std::string(command.summary) + ".", 0, 0);
  out += '\n';
  if (!command.description.empty()) {
    out += '\n';
    wrap(out, command.description, 0, 0);
    out += '\n';
  }
  if (!command.options.empty()) {
    out += "\nOptions:\n";
    for (const Option* option : command.options) list_option(out, *option);
  }
  out += "\nOptions of every command:\n";
  for (const Option* option : kEveryCommand) list_option(out, *option);
  if (!command.examples.empty()) out += "\nExamples:\n" + std::string(command.examples);
  return out;
}

std::string overview(const Program& program) {
  std::string out = "Usage: " + std::string(program.name) + " COMMAND [OPTIONS] ...\n\n";
  wrap(out, std::string(program.summary) + ".", 0, 0);
  out += "\n\nCommands:\n";
  std::size_t widest = 0;
  for (const Command* command : program.commands) {
    widest = std::max(widest, command->name.size());
  }
  for (const Command* command : program.commands) {
    out += "  " + std::string(command->name) + std::string(widest + 2 - command->name.size(), ' ');
    wrap(out, command->summary, widest + 4, widest + 4);
    out += '\n';
  }
  out += "\n" + std::string(program.name) + " COMMAND --help shows the options of a command.\n\n";
  wrap(
      out,
      "An option takes its value from the command line, else from the environment "
      "(LINNET_<OPTION>, e.g. LINNET_THREADS=2), else from the file of --config, else its default. "
      "Exit codes: 0 done, 1 error, 2 wrong usage, 3 finished but some inputs failed, 130 and 143 "
      "stopped by SIGINT and SIGTERM.",
      0, 0);
  return out + '\n';
}

}  // namespace linnet::cli
