#include "engine/core/context.h"
#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/inspect/inspection.h"

namespace linnet::commands {
namespace {

constexpr Option kTensors{.name = "tensors",
                          .help =
                              "List every tensor with its type, shape and what becomes of it. "
                              "JSON always has them."};

constexpr const Option* kOptions[] = {&kModel,          &kTensors,         &kJson, &kThreads, &kIsa,
                                      &kFollowSymlinks, &kNoFollowSymlinks};

int run(const cli::Arguments& args, cli::Console& console) {
  tools::InspectOptions options;
  options.open = open_options(args);
  options.isa = choose_isa(args.maybe(kIsa));
  options.session = session_options(args);
  const tools::Inspection found = tools::inspect(std::string(args.text(kModel)), options);
  console.out.write(args.flag(kJson) ? inspection_json(found)
                                     : inspection_text(found, args.flag(kTensors)));
  console.out.flush();
  for (const std::string& warning : found.warnings) console.log.warning(warning);
  for (const std::string& problem : found.problems) console.log.error(problem);
  return found.problems.empty() ? cli::kDone : cli::kFailed;
}

}  // namespace

constinit const cli::Command kInspect{
    .name = "inspect",
    .summary = "Show what a model directory holds, without reading its weights",
    .description =
        "Configuration, tensors and what becomes of each, sizes, facts about the tokenizer, and "
        "the "
        "memory that the model and one session of it need at most on this machine. What is not "
        "understood is reported, the rest is shown all the same, and the exit code is 1.",
    .examples =
        "# sizes of all tensors\n"
        "linnet inspect --model DIR --tensors\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
