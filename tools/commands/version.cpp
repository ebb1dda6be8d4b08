#include "engine/core/context.h"
#include "kernels/kernel_table.h"
#include "tools/cli/build_info.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/program.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/io/table.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kKernels{
    .name = "kernels",
    .help = "List every slot of the kernel table with the level that provides it."};

constexpr const Option* kOptions[] = {&kKernels, &kIsa, &kJson};

std::string provider_of(const kernels::SlotInfo& slot) {
  std::string text = kernels::name(slot.provider);
  if (slot.addition != nullptr) text.append(" + ").append(slot.addition);
  return text;
}

kernels::KernelTable table_of(const cli::Arguments& args) {
  return kernels::make_table(choose_isa(args.maybe(kIsa)));
}

std::string as_text(const cli::Arguments& args) {
  std::string out = cli::version_text();
  if (!args.flag(kKernels)) return out;
  const kernels::KernelTable table = table_of(args);
  out += std::string("level in use:    ") + kernels::name(table.isa) + "\n\n";
  io::Table rows({{"slot"}, {"provider"}});
  for (const kernels::SlotInfo& slot : kernels::slots(table)) {
    rows.add({slot.name, provider_of(slot)});
  }
  return out + rows.text();
}

void write_levels(json::Writer& out, std::string_view names) {
  out.begin_array();
  while (!names.empty()) {
    const std::size_t blank = std::min(names.find(' '), names.size());
    out.string(names.substr(0, blank));
    names.remove_prefix(std::min(blank + 1, names.size()));
  }
  out.end_array();
}

std::string as_json(const cli::Arguments& args) {
  json::Writer out(2);
  out.begin_object().key("schema").string("linnet.version.1");
  out.key("version").string(cli::version_number());
  out.key("commit").string(cli::commit());
  out.key("compiler").string(cli::compiler());
  write_levels(out.key("levels_compiled"), cli::levels_compiled());
  write_levels(out.key("levels_detected"), cli::levels_detected());
  const std::string onednn = cli::onednn_version();
  onednn.empty() ? out.key("onednn").null() : out.key("onednn").string(onednn);
  if (args.flag(kKernels)) {
    const kernels::KernelTable table = table_of(args);
    out.key("level").string(kernels::name(table.isa));
    out.key("kernels").begin_object();
    for (const kernels::SlotInfo& slot : kernels::slots(table)) {
      out.key(slot.name).string(provider_of(slot));
    }
    out.end_object();
  }
  out.end_object();
  return std::move(out).text() + "\n";
}

int run(const cli::Arguments& args, cli::Console& console) {
  console.out.write(args.flag(kJson) ? as_json(args) : as_text(args));
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kVersion{
    .name = "version",
    .summary = "Show version, commit, compiler and instruction-set levels",
    .examples =
        "# which level provides which kernel on this machine\n"
        "linnet version --kernels\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
