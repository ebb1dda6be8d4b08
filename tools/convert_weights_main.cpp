#include "tools/cli/program.h"
#include "tools/commands/commands.h"

int main(int argc, char** argv) {
  return linnet::cli::run_command(linnet::commands::kLinnet, "convert", argc, argv);
}
