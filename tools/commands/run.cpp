#include "tools/commands/commands.h"

namespace linnet::commands {
namespace {

using cli::Kind;
using cli::Option;

constexpr Option kTask{
    .name = "task",
    .kind = Kind::kChoice,
    .value = "NAME",
    .help = "The task, by its name in transformers; --help after it shows the other options.",
    .choices =
        "text-classification|sentiment-analysis|token-classification|ner|"
        "question-answering|fill-mask|zero-shot-classification|rerank|feature-extraction|"
        "sentence-similarity|text-generation",
    .required = true};
constexpr const Option* kOptions[] = {&kTask};

}  // namespace

constinit const cli::Command kRun{
    .name = "run",
    .summary = "Do a task, by its name in transformers",
    .positionals = "[OPTIONS OF THE TASK...]",
    .description =
        "The command that does the task: classify, tag, answer, fill, zero-shot, rerank, embed, "
        "similar or generate, with all its options. pipeline is another name of run.",
    .examples =
        "# the same as linnet fill\n"
        "linnet run --task fill-mask --model DIR \"Paris is the [MASK] of France.\"\n"
        "# the options of a task\n"
        "linnet run --task token-classification --help\n",
    .options = kOptions,
    .alias = "pipeline",
    .task_option = &kTask,
};

}  // namespace linnet::commands
