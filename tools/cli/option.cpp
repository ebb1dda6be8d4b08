#include "tools/cli/option.h"

namespace linnet::cli {

const Option* find_option(const Command& command, std::string_view name) {
  const Option* found = nullptr;
  for_each_option(command, [&](const Option& option) {
    if (option.name == name) found = &option;
  });
  return found;
}

const Option* find_letter(const Command& command, std::string_view letter) {
  const Option* found = nullptr;
  for_each_option(command, [&](const Option& option) {
    if (!letter.empty() && option.letter == letter) found = &option;
  });
  return found;
}

const Command* find_command(const Program& program, std::string_view name) {
  for (const Command* command : program.commands) {
    bool found = command->name == name;
    for_each_choice(command->alias,
                    [&](std::string_view alias) { found = found || alias == name; });
    if (found) return command;
  }
  return nullptr;
}

const Command* find_task(const Program& program, std::string_view task) {
  const Command* found = nullptr;
  for (const Command* command : program.commands) {
    for_each_choice(command->tasks, [&](std::string_view name) {
      if (name == task) found = command;
    });
  }
  return found;
}

}  // namespace linnet::cli
