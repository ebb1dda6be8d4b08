#include "tools/generate/options.h"

#include <algorithm>
#include <string>

#include "tools/cli/exit_code.h"
#include "weights/base/json.h"

namespace linnet::tools {
namespace {

// The value as JSON.
void write_value(json::Writer& out, const cli::Arguments& args, const Option& option) {
  if (option.kind == Kind::kFlag) {
    out.boolean(true);
  } else if (option.kind == Kind::kInteger) {
    out.integer(args.integer(option));
  } else if (option.kind == Kind::kNumber) {
    out.float64(args.number(option));
  } else if (args.text(option) == "true" || args.text(option) == "false") {
    out.boolean(args.text(option) == "true");
  } else {
    out.string(args.text(option));
  }
}

}  // namespace

void take_parameters(const cli::Arguments& args, GenerationParameters& parameters) {
  json::Writer out;
  out.begin_object();
  for (const Option* option : kParameters) {
    if (option->kind == Kind::kFlag ? !args.flag(*option) : !args.given(*option)) continue;
    std::string key(option->name);
    std::replace(key.begin(), key.end(), '-', '_');
    out.key(key);
    write_value(out, args, *option);
  }
  const std::string text = std::move(out.end_object()).text();
  const json::Document document = json::parse(text, "command line", json::kConfigBytes);
  read_parameters(document.root(), parameters, UnknownKeys::kRefuse);
  for (const Option* option : {&kTemperature, &kTopK, &kTopP, &kMinP, &kTypicalP}) {
    if (args.given(*option)) parameters.do_sample = true;
  }
}

void write_speculation(json::Writer& out, std::int64_t guessed, std::int64_t accepted) {
  out.key("speculation").begin_object().key("guessed").integer(guessed);
  out.key("accepted").integer(accepted).key("acceptance_rate");
  out.float64(guessed == 0 ? 0.0 : static_cast<double>(accepted) / static_cast<double>(guessed));
  out.end_object();
}

CacheType cache_type(const cli::Arguments& args) {
  return args.text(kCacheDtype) == "int8" ? CacheType::kInt8 : CacheType::kFloat32;
}

LanguageModel load_language_model(const cli::Arguments& args, const cli::Log& log) {
  LoadOptions load = commands::load_options(args, log);
  if (args.text(kDtype) == "int8") {
    if (load.precision != Precision::kFloat32) {
      throw cli::UsageError("--dtype int8 and --precision bf16 contradict each other");
    }
    load.precision = Precision::kInt8;
  }
  LanguageModel model = linnet::load_language_model(std::string(args.text(commands::kModel)), load,
                                                    commands::open_options(args));
  for (const std::string& warning : model.gpt2.warnings) log.warning(warning);
  return model;
}

}  // namespace linnet::tools
