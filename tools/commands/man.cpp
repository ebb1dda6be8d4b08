#include "tools/cli/exit_code.h"
#include "tools/cli/help.h"
#include "tools/cli/program.h"
#include "tools/commands/commands.h"
#include "weights/base/text.h"

namespace linnet::commands {
namespace {

int run(const cli::Arguments& args, cli::Console& console) {
  if (args.positionals().empty()) {
    console.out.write(cli::man_page(args.program()));
    return cli::kDone;
  }
  for (const std::string& name : args.positionals()) {
    const cli::Command* command = cli::find_command(args.program(), name);
    if (command == nullptr) throw cli::UsageError("unknown command " + quote(name));
    console.out.write(cli::man_page(args.program(), *command));
  }
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kMan{
    .name = "man",
    .summary = "Write manual pages",
    .positionals = "[COMMAND...]",
    .description = "Without a command, the page of the program. Pages are roff for man(1).",
    .examples =
        "# read the page of search\n"
        "linnet man search | man -l -\n",
    .run = run,
};

}  // namespace linnet::commands
