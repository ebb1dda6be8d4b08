#include "tools/commands/common.h"

#include "engine/core/context.h"

namespace linnet::commands {
namespace {

int threads(const cli::Arguments& args) {
  const auto asked = args.maybe_integer(kThreads);
  return asked ? static_cast<int>(*asked) : available_threads();
}

}  // namespace

LoadOptions load_options(const cli::Arguments& args) {
  LoadOptions options;
  options.isa = choose_isa(args.maybe(kIsa));
  options.threads = threads(args);
  return options;
}

SessionOptions session_options(const cli::Arguments& args) {
  SessionOptions options;
  options.threads = threads(args);
  return options;
}

}  // namespace linnet::commands
