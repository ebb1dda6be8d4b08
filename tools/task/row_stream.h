#pragma once

#include <functional>
#include <vector>

#include "engine/tasks/encoder_task.h"
#include "tools/cli/arguments.h"
#include "tools/cli/program.h"
#include "tools/commands/common.h"
#include "tools/task/result_writer.h"

// What the commands with a task have in common: rows in, results out, in constant memory.
namespace linnet::tools {

inline constexpr cli::Option kFormat{.name = "format",
                                     .kind = cli::Kind::kChoice,
                                     .value = "FORMAT",
                                     .help =
                                         "An object a line, one object with all results, or "
                                         "columns for people.",
                                     .fallback = "jsonl",
                                     .choices = "jsonl|json|table"};

/// The model of --model, or of a directory, with this head, loaded with --threads, --isa, --backend
/// and the symbolic-link options.
TaskModel load_model(const cli::Arguments& args, const cli::Log& log, HeadKind head);
TaskModel load_model(const cli::Arguments& args, const cli::Log& log, HeadKind head,
                     const std::string& directory);

/// Long work ends when a signal came.
TaskCalls task_calls();

/// Gives the result of each record; none of them failed to be read. results[i] is that of
/// *records[i].
using RowTask =
    std::function<void(const std::vector<const Record*>& records, std::vector<RowResult>& results)>;

/// The first field of each record.
std::vector<std::string_view> first_fields(const std::vector<const Record*>& records);

/// Runs the task over all records of the source and writes the results in their order, as
/// --format (or --json), --output and --force say. Gives the exit code: 3 when rows failed.
int run_rows(const cli::Arguments& args, cli::Console& console, io::TextSource& source,
             ResultOptions options, const RowTask& task);

}  // namespace linnet::tools
