// Everything that is written from the table of commands names everything that is in it.
#include "tools/cli/help.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tools/commands/commands.h"

namespace linnet::cli {
namespace {

const Program& linnet() { return commands::kLinnet; }

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Help, ListsEveryOption) {
  for (const Command* command : linnet().commands) {
    const std::string text = help(linnet(), *command);
    for_each_option(*command, [&](const Option& option) {
      EXPECT_TRUE(has(text, "  " + spelling(option))) << command->name << " " << option.name;
    });
  }
}

TEST(Help, FitsATerminal) {
  for (const Command* command : linnet().commands) {
    const std::string text = help(linnet(), *command);
    std::size_t begin = text.find('\n') + 1;  // the synopsis is as long as it is
    const std::size_t end = std::min(text.find("Examples:"), text.size());
    while (begin < end) {
      const std::size_t line = text.find('\n', begin);
      EXPECT_LE(line - begin, 80U) << text.substr(begin, line - begin);
      begin = line + 1;
    }
  }
}

TEST(Help, TheTableIsSound) {
  std::set<std::string_view> names;
  for (const Command* command : linnet().commands) {
    EXPECT_TRUE(names.insert(command->name).second) << command->name;
    EXPECT_NE(command->run == nullptr, command->task_option == nullptr) << command->name;
    EXPECT_FALSE(command->summary.empty()) << command->name;
    std::set<std::string_view> options, letters;
    for_each_option(*command, [&](const Option& option) {
      EXPECT_TRUE(options.insert(option.name).second) << command->name << " " << option.name;
      if (!option.letter.empty()) {
        EXPECT_TRUE(letters.insert(option.letter).second) << command->name << " " << option.letter;
      }
      EXPECT_EQ(option.kind == Kind::kFlag, option.value.empty()) << option.name;
      EXPECT_EQ(option.kind == Kind::kChoice, !option.choices.empty()) << option.name;
      EXPECT_TRUE(option.help.ends_with('.')) << option.name;
      EXPECT_EQ(option.name.find('_'), std::string_view::npos) << option.name;
    });
  }
}

TEST(Help, EveryTaskHasOneCommand) {
  std::set<std::string_view> tasks, choices;
  for (const Command* command : linnet().commands) {
    for_each_choice(command->tasks, [&](std::string_view task) {
      EXPECT_TRUE(tasks.insert(task).second) << task;
      EXPECT_EQ(find_task(linnet(), task), command) << task;
    });
    if (command->task_option == nullptr) continue;
    for_each_choice(command->task_option->choices,
                    [&](std::string_view task) { choices.insert(task); });
  }
  EXPECT_EQ(tasks, choices);
  EXPECT_EQ(find_task(linnet(), "no-such-task"), nullptr);
  EXPECT_EQ(find_command(linnet(), "pipeline"), find_command(linnet(), "run"));
}

TEST(Help, OverviewListsEveryCommand) {
  for (const Command* command : linnet().commands) {
    EXPECT_TRUE(has(overview(linnet()), "\n  " + std::string(command->name) + " "));
  }
}

// Roff writes a hyphen that is meant as \-.
std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) out += c == '-' ? std::string("\\-") : std::string(1, c);
  return out;
}

TEST(ManPage, NamesEverything) {
  for (const Command* command : linnet().commands) {
    EXPECT_TRUE(has(man_page(linnet()), "linnet\\-" + escaped(command->name)));
    const std::string page = man_page(linnet(), *command);
    EXPECT_EQ(page.substr(0, 3), ".TH");
    for_each_option(*command, [&](const Option& option) {
      std::string name = "\\-\\-";
      for (const char c : option.name) name += c == '-' ? "\\-" : std::string(1, c);
      EXPECT_TRUE(has(page, name)) << command->name << " " << option.name;
    });
  }
}

TEST(ManPage, TextIsNoRoffCommand) {
  constexpr Command kOdd{.name = "odd", .summary = "s", .description = ".so /etc/passwd\n'x \\n"};
  const std::string page = man_page(linnet(), kOdd);
  EXPECT_TRUE(has(page, "\\&.so"));
  EXPECT_TRUE(has(page, "\\&'x \\en"));
}

// What bash proposes for the words of a command line.
std::string completions(const std::string& words, int position) {
  const test::TempDir dir;
  dir.write("completion", bash_completion(linnet()));
  const std::string script = "source " + dir.path("completion") + "; COMP_WORDS=(" + words +
                             "); COMP_CWORD=" + std::to_string(position) +
                             "; _linnet; echo \"${COMPREPLY[*]}\"";
  const test::Finished shell = test::run({.arguments = {"/bin/bash", "-c", script}});
  EXPECT_EQ(shell.err, "");
  return shell.out;
}

TEST(Completion, ProposesWhatTheTableHas) {
  EXPECT_TRUE(has(completions("linnet ''", 1), "version"));
  EXPECT_EQ(completions("linnet tok", 1), "tokenize\n");
  EXPECT_EQ(completions("linnet version --ker", 2), "--kernels\n");
  EXPECT_EQ(completions("linnet version --log-format ''", 3), "text json\n");
  EXPECT_EQ(completions("linnet tokenize --model /et", 3), "/etc\n");
  EXPECT_EQ(completions("linnet run --task fill", 3), "fill-mask\n");
  EXPECT_EQ(completions("linnet run --task question-answering --doc", 4), "--doc-stride\n");
  for (const Command* command : linnet().commands) {
    const std::string all = " " + completions("linnet " + std::string(command->name) + " --", 2);
    for_each_option(*command, [&](const Option& option) {
      EXPECT_TRUE(has(all, "--" + std::string(option.name))) << command->name;
    });
  }
}

}  // namespace
}  // namespace linnet::cli
