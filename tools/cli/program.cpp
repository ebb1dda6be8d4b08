#include "tools/cli/program.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <new>
#include <vector>

#include "tools/cli/build_info.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/help.h"
#include "tools/cli/signals.h"
#include "tools/cli/verbose.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::cli {
namespace {

using WordSpan = std::span<const char* const>;

// True when an option of this name stands among the words, before "--".
bool asks_for(WordSpan words, std::string_view name, std::string_view letter) {
  for (std::string_view word : words) {
    if (word == "--") return false;
    if (word == name || word == letter) return true;
  }
  return false;
}

[[noreturn]] void refuse_command(const Program& program, std::string_view word) {
  std::vector<std::string_view> names;
  for (const Command* command : program.commands) names.push_back(command->name);
  const bool option = word.substr(0, 1) == "-";
  const std::string_view near = option ? std::string_view() : nearest(word, names);
  throw UsageError((option ? "options come after a command: found " : "unknown command ") +
                   quote(word) +
                   (near.empty() ? "; " + std::string(program.name) + " --help lists the commands"
                                 : "; did you mean " + std::string(near) + "?"));
}

[[noreturn]] void refuse_task(const Option& option, std::string_view task) {
  std::vector<std::string_view> names;
  std::string list;
  for_each_choice(option.choices, [&](std::string_view name) {
    list += (list.empty() ? "" : ", ") + std::string(name);
    names.push_back(name);
  });
  const std::string_view near = nearest(task, names);
  throw UsageError("--" + std::string(option.name) + ": found " + quote(task) +
                   (near.empty() ? "" : "; did you mean " + std::string(near) + "?") +
                   "; expected one of " + list);
}

struct Selection {
  const Command* command;
  std::vector<const char*> words;  // without the option that selected it
};

// The command that `words` name by their task, or the given one if they name none.
Selection select(const Program& program, const Command& command, WordSpan words) {
  Selection selected{&command, {words.begin(), words.end()}};
  if (command.task_option == nullptr) return selected;
  const std::string option = "--" + std::string(command.task_option->name);
  for (std::size_t i = 0; i < words.size() && std::string_view(words[i]) != "--"; ++i) {
    const std::string_view word = words[i];
    const bool attached = word.starts_with(option + "=");
    if (word != option && !attached) continue;
    if (!attached && i + 1 == words.size()) break;
    const std::string_view task = attached ? word.substr(option.size() + 1) : words[i + 1];
    selected.command = find_task(program, task);
    if (selected.command == nullptr) refuse_task(*command.task_option, task);
    const auto at = selected.words.begin() + static_cast<std::ptrdiff_t>(i);
    selected.words.erase(at, at + (attached ? 1 : 2));
    break;
  }
  return selected;
}

int dispatch(const Program& program, WordSpan words, Console& console) {
  if (words.empty()) throw UsageError("no command\n" + overview(program));
  const std::string_view first = words[0];
  if (first == "--help" || first == "-h" || (first == "help" && words.size() == 1)) {
    console.out.write(overview(program));
    return kDone;
  }
  if (first == "--version") {
    console.out.write(version_text());
    return kDone;
  }
  const bool helps = first == "help";
  const std::string_view name = helps ? words[1] : first;
  const Command* command = find_command(program, name);
  if (command == nullptr) refuse_command(program, name);
  const Selection selected = select(program, *command, words.subspan(1));
  command = selected.command;
  words = selected.words;
  if (helps || asks_for(words, "--help", "-h")) {
    console.out.write(help(program, *command));
    return kDone;
  }
  if (asks_for(words, "--version", "--version")) {
    console.out.write(version_text());
    return kDone;
  }
  if (command->task_option != nullptr) {
    throw UsageError(std::string(name) + " needs --" + std::string(command->task_option->name) +
                     " " + std::string(command->task_option->value));
  }
  Arguments arguments(program, *command, split_words(*command, words),
                      [](const char* variable) -> const char* { return std::getenv(variable); });
  arguments.set_called(name);
  if (arguments.text(kLogFormat) == "json") console.log.set_format(LogFormat::kJson);
  name_precision(arguments, console);
  if (!arguments.flag(kVerbose)) return command->run(arguments, console);
  return run_verbosely(arguments, console);
}

WordSpan words_after_name(int argc, const char* const* argv) {
  return {argv + (argc > 0 ? 1 : 0), argc > 0 ? static_cast<std::size_t>(argc - 1) : 0};
}

// As if SIGPIPE had ended the process, also where the parent made us ignore it.
int die_of_broken_pipe() {
  std::signal(SIGPIPE, SIG_DFL);
  ::raise(SIGPIPE);
  return kBySignal + SIGPIPE;
}

int run(const Program& program, WordSpan words) {
  prepare_process();
  Log log;
  try {
    io::Output out(STDOUT_FILENO, "standard output");
    Console console{out, log};
    const int code = dispatch(program, words, console);
    out.flush();
    return code;
  } catch (const UsageError& error) {
    log.error(error.what());
    return kUsage;
  } catch (const Interrupted& stop) {
    return kBySignal + stop.signal;
  } catch (const BrokenPipe&) {
    return die_of_broken_pipe();
  } catch (const Error& error) {
    // The engine says kCancelled when our callback saw a signal.
    if (error.code() == ErrorCode::kCancelled && interrupted()) return kBySignal + interrupted();
    log.error(error.what());
    return kFailed;
  } catch (const std::bad_alloc&) {
    log.error("out of memory");
    return kFailed;
  } catch (const std::exception& error) {
    log.error(error.what());
    return kFailed;
  }
}

}  // namespace

int run_program(const Program& program, int argc, const char* const* argv) {
  return run(program, words_after_name(argc, argv));
}

int run_command(const Program& program, const char* command, int argc, const char* const* argv) {
  std::vector<const char*> words{command};
  for (const char* word : words_after_name(argc, argv)) words.push_back(word);
  return run(program, words);
}

}  // namespace linnet::cli
