#include "tools/cli/exit_code.h"
#include "tools/cli/help.h"
#include "tools/cli/program.h"
#include "tools/commands/commands.h"

namespace linnet::commands {
namespace {

int run(const cli::Arguments& args, cli::Console& console) {
  if (args.positionals().size() != 1 || args.positionals()[0] != "bash") {
    throw cli::UsageError("completion is written for one shell: linnet completion bash");
  }
  console.out.write(cli::bash_completion(args.program()));
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kCompletion{
    .name = "completion",
    .summary = "Write the completion script of a shell",
    .positionals = "bash",
    .examples =
        "# in this shell\n"
        "source <(linnet completion bash)\n",
    .run = run,
};

}  // namespace linnet::commands
