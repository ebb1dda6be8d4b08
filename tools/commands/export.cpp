#include <charconv>

#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/convert/convert.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"

namespace linnet::commands {
namespace {

constexpr Option kMaxShardSize{
    .name = "max-shard-size",
    .kind = Kind::kText,
    .value = "SIZE",
    .help =
        "Largest weights file, e.g. 500MB, 5GB or 2GiB; a larger tensor has a file of its own. By "
        "default there is one file."};

constexpr const Option* kOptions[] = {&kModel, &kOutputDir,      &kMaxShardSize,    &kReplace,
                                      &kJson,  &kFollowSymlinks, &kNoFollowSymlinks};

// "500MB": decimal units as transformers reads them, and binary ones.
std::int64_t shard_bytes(std::string_view text) {
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"", 1},          {"KB", 1'000},    {"MB", 1'000'000}, {"GB", 1'000'000'000},
      {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
  };
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const std::string_view unit(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  for (const auto& [name, factor] : kUnits) {
    const bool fits = number > 0 && number <= (std::int64_t{1} << 62) / factor;
    if (parsed.ec == std::errc() && unit == name && fits) return number * factor;
  }
  throw cli::UsageError("--max-shard-size: found " + quote(text) +
                        ", expected a number with KB, MB, GB, KiB, MiB or GiB");
}

std::string report_json(const tools::Exported& done) {
  json::Writer out;
  out.begin_object().key("schema").string("linnet.export.1");
  out.key("tensors").integer(done.tensors).key("bytes").integer(done.bytes);
  out.key("rounded").integer(done.rounded).key("files").begin_array();
  for (const weights::ManifestFile& file : done.files) {
    out.begin_object().key("name").string(file.name).key("bytes").integer(file.bytes);
    out.key("xxh3_128").string(text(file.hash)).end_object();
  }
  out.end_array().end_object();
  return out.text() + "\n";
}

std::string report_text(const tools::Exported& done) {
  std::string out = std::to_string(done.tensors) + " tensors under their original names, " +
                    (done.rounded == 0 ? std::string("every one bit for bit as it was")
                                       : std::to_string(done.rounded) +
                                             " of them as the conversion rounded them") +
                    "\nwritten:";
  for (const weights::ManifestFile& file : done.files) out += " " + printable(file.name);
  return out + "\n";
}

int run(const cli::Arguments& args, cli::Console& console) {
  tools::ExportOptions options;
  options.model = args.text(kModel);
  options.output = args.text(kOutputDir);
  options.open = open_options(args);
  if (args.flag(kReplace)) options.existing = weights::Existing::kReplace;
  if (const auto size = args.maybe(kMaxShardSize)) options.max_shard_bytes = shard_bytes(*size);
  const tools::Exported done = tools::export_model(options);
  console.out.write(args.flag(kJson) ? report_json(done) : report_text(done));
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kExport{
    .name = "export",
    .summary = "Give back the model directory that a conversion was made from",
    .description =
        "Original names, types and dropped tensors again, so that transformers loads the result: "
        "where the conversion rounded nothing, every tensor is what it was bit for bit. Each file "
        "is compared first with the size and hash in linnet.json.",
    .examples =
        "# in files of at most 500 MB\n"
        "linnet export --model NEW --output-dir DIR --max-shard-size 500MB\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
