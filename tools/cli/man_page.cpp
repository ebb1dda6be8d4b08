#include "tools/cli/help.h"

// Manual pages in the man macros of roff: .TH title, .SH section, .TP item, .B bold line.
namespace linnet::cli {
namespace {

// Backslashes and hyphens are commands of roff, and so are lines that begin with a dot or a quote.
std::string escaped(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_begins = c == '\n';
  }
  return out;
}

std::string title(const std::string& name) {
  return ".TH " + escaped(name) + " 1 \"\" \"linnet " LINNET_VERSION "\" \"User Commands\"\n";
}

void section(std::string& out, std::string_view name) { out += ".SH " + std::string(name) + "\n"; }

void item(std::string& out, const std::string& head, const std::string& text) {
  out += ".TP\n.B " + escaped(head) + "\n" + escaped(text) + "\n";
}

}  // namespace

std::string man_page(const Program& program, const Command& command) {
  const std::string name = std::string(program.name) + "-" + std::string(command.name);
  std::string out = title(name);
  section(out, "NAME");
  out += escaped(name) + " \\- " + escaped(command.summary) + "\n";
  section(out, "SYNOPSIS");
  out += ".B " + escaped(synopsis(program, command)) + "\n";
  if (!command.description.empty()) {
    section(out, "DESCRIPTION");
    out += escaped(command.description) + "\n";
  }
  section(out, "OPTIONS");
  for_each_option(command,
                  [&](const Option& option) { item(out, spelling(option), explanation(option)); });
  if (!command.examples.empty()) {
    section(out, "EXAMPLES");
    out += ".nf\n" + escaped(command.examples) + ".fi\n";
  }
  section(out, "SEE ALSO");
  out += ".BR " + std::string(program.name) + " (1)\n";
  return out;
}

std::string man_page(const Program& program) {
  const std::string name(program.name);
  std::string out = title(name);
  section(out, "NAME");
  out += name + " \\- " + escaped(program.summary) + "\n";
  section(out, "SYNOPSIS");
  out += ".B " + name + "\nCOMMAND [OPTIONS] ...\n";
  section(out, "COMMANDS");
  for (const Command* command : program.commands) {
    item(out, name + "-" + std::string(command->name) + "(1)", std::string(command->summary));
  }
  section(out, "ENVIRONMENT");
  item(out, "LINNET_<OPTION>",
       "The value of an option that the command line does not give: upper case, with _ for -.");
  section(out, "EXIT STATUS");
  item(out, "0", "Done.");
  item(out, "1", "An error, reported on standard error.");
  item(out, "2", "The command line cannot be understood.");
  item(out, "3", "Finished, but some inputs failed; each is reported.");
  item(out, "130, 143", "Stopped by SIGINT, SIGTERM.");
  return out;
}

}  // namespace linnet::cli
