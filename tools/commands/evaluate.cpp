#include "tools/evaluate/evaluate.h"

#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"

namespace linnet::commands {
namespace {

constexpr Option kTask{.name = "task",
                       .kind = Kind::kChoice,
                       .value = "TASK",
                       .help = "What is scored; squad scores the answers of --predictions.",
                       .choices = "squad",
                       .required = true};
constexpr Option kFile{.name = "file",
                       .kind = Kind::kFile,
                       .value = "FILE",
                       .help = "The data set: for squad and question-answering the JSON of SQuAD.",
                       .required = true};
constexpr Option kPredictions{.name = "predictions",
                              .kind = Kind::kFile,
                              .value = "FILE",
                              .help = "JSON object with an answer for the id of each question."};

constexpr const Option* kOptions[] = {&kTask, &kFile, &kPredictions, &kOutput, &kForce, &kJson};

tools::Scores evaluate(const cli::Arguments& args) {
  const std::string file(args.text(kFile));
  const std::optional<std::string> predictions = args.maybe(kPredictions);
  if (!predictions) throw cli::UsageError("--task squad: --predictions is required");
  const tools::SquadFile data = tools::read_squad(file);
  return tools::score_squad(data, tools::read_squad_predictions(*predictions), *predictions);
}

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  const tools::Scores scores = evaluate(args);
  io::write_to(to, console.out, [&](const io::Sink& sink) {
    sink(args.flag(kJson) ? scores.json() : scores.table());
  });
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kEvaluate{
    .name = "evaluate",
    .summary = "Score predictions on a data set",
    .description =
        "Scores stored answers on SQuAD 1.1 or 2.0 by the official definitions: exact match and "
        "F1, in per cent; of version 2.0 also those of the questions with (HasAns) and without "
        "(NoAns) an answer. Every question must have a prediction.",
    .examples =
        "# stored answers to SQuAD 2.0\n"
        "linnet evaluate --task squad --file dev-v2.0.json --predictions answers.json --json\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
