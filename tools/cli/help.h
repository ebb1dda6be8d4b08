#pragma once

#include <string>

#include "tools/cli/option.h"

// Everything that is written from the tables.
namespace linnet::cli {

/// The text of --help.
std::string help(const Program& program, const Command& command);
/// All commands, a line each.
std::string overview(const Program& program);

/// A script for bash: source it, or store it as bash-completion's linnet file.
std::string bash_completion(const Program& program);

/// The manual page of one command (section 1), and of the program itself.
std::string man_page(const Program& program, const Command& command);
std::string man_page(const Program& program);

/// "-o, --output FILE"
std::string spelling(const Option& option);
/// The sentence of help with choices, range, default and environment variable.
std::string explanation(const Option& option);
/// "linnet embed --model DIR [OPTIONS] [TEXT...]"
std::string synopsis(const Program& program, const Command& command);

}  // namespace linnet::cli
