#include "tools/cli/help.h"

namespace linnet::cli {
namespace {

// The command of bash that proposes values of the option.
std::string value_words(const Option& option) {
  if (option.kind == Kind::kFile) return "-f";
  if (option.kind == Kind::kDirectory) return "-d";
  std::string words(option.choices);
  for (char& c : words) {
    if (c == '|') c = ' ';
  }
  return "-W '" + words + "'";
}

// One case: after COMMAND:--option (or its letter), what the value may be.
void value_case(std::string& out, const Command& command, const Option& option) {
  const std::string at = std::string(command.name) + ":-";
  out += "    " + at + "-" + std::string(option.name);
  if (!option.letter.empty()) out += " | " + at + std::string(option.letter);
  out += ") COMPREPLY=($(compgen " + value_words(option) + " -- \"$word\")); return ;;\n";
}

std::string option_names(const Command& command) {
  std::string names;
  for_each_option(command, [&](const Option& option) {
    names += (names.empty() ? "--" : " --") + std::string(option.name);
  });
  return names;
}

// A command named by its task has the options of the one that does it.
std::string task_cases(const Program& program) {
  std::string cases;
  for (const Command* by_task : program.commands) {
    if (by_task->task_option == nullptr) continue;
    for (const Command* command : program.commands) {
      for_each_choice(command->tasks, [&](std::string_view task) {
        cases += "      " + std::string(by_task->name) + ":--" +
                 std::string(by_task->task_option->name) + ":" + std::string(task) +
                 ") command=" + std::string(command->name) + " ;;\n";
      });
    }
  }
  if (cases.empty()) return "";
  return "  for ((i = 3; i < COMP_CWORD; i++)); do\n"
         "    case $command:${COMP_WORDS[i-1]}:${COMP_WORDS[i]} in\n" +
         cases + "    esac\n  done\n";
}

}  // namespace

std::string bash_completion(const Program& program) {
  const std::string name(program.name);
  std::string out = "# Completion for bash, written by: " + name + " completion bash\n_" + name +
                    "() {\n"
                    "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
                    "  local options='--help --version'\n"
                    "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                    "    COMPREPLY=($(compgen -W '";
  for (const Command* command : program.commands) out += std::string(command->name) + " ";
  out +=
      "--help --version' -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  local command=${COMP_WORDS[1]} i\n" +
      task_cases(program) + "  case $command:$before in\n";
  for (const Command* command : program.commands) {
    for_each_option(*command, [&](const Option& option) {
      if (option.kind != Kind::kFlag) value_case(out, *command, option);
    });
  }
  out += "  esac\n  case $command in\n";
  for (const Command* command : program.commands) {
    out += "    " + std::string(command->name) + ") options='" + option_names(*command) + "' ;;\n";
  }
  out +=
      "  esac\n"
      "  if [[ $word == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -f -- \"$word\"))\n"
      "  fi\n"
      "}\n"
      "complete -o filenames -F _" +
      name + " " + name + "\n";
  return out;
}

}  // namespace linnet::cli
