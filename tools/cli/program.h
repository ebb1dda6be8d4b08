#pragma once

#include "tools/cli/arguments.h"
#include "tools/cli/log.h"
#include "tools/cli/option.h"
#include "tools/io/output.h"

namespace linnet::cli {

/// What a command talks to.
struct Console {
  io::Output& out;  // standard output: data
  Log& log;         // standard error: everything else
};

/// Runs the sub-command that the command line names and gives the exit code; the body of main.
int run_program(const Program& program, int argc, const char* const* argv);

/// The same for a program that is one of the sub-commands under its own name.
int run_command(const Program& program, const char* command, int argc, const char* const* argv);

}  // namespace linnet::cli
