#include "tools/cli/verbose.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>

#include "engine/core/context.h"
#include "tools/cli/build_info.h"

namespace linnet::cli {
namespace {

// "linnet 0.1.0 (commit c), level avx2, 4 threads", of what the command has options for.
std::string beginning(const Arguments& arguments) {
  std::string text = "linnet " + version_number() + " (commit " + commit() + ")";
  if (const Option* isa = find_option(arguments.command(), "isa"); isa != nullptr) {
    text += std::string(", level ") + kernels::name(choose_isa(arguments.maybe(*isa)));
  }
  if (const Option* threads = find_option(arguments.command(), "threads"); threads != nullptr) {
    const std::int64_t n = arguments.maybe_integer(*threads).value_or(available_threads());
    text += ", " + std::to_string(n) + (n == 1 ? " thread" : " threads");
  }
  return text;
}

}  // namespace

void name_precision(const Arguments& arguments, const Console& console) {
  const Option* option = find_option(arguments.command(), "precision");
  if (option != nullptr && arguments.text(*option) == "bf16") {
    console.log.note("precision bf16: outside the promise of the same bytes on every machine");
  }
}

int run_verbosely(const Arguments& arguments, Console& console) {
  const auto start = std::chrono::steady_clock::now();
  console.log.note(beginning(arguments));
  const int code = arguments.command().run(arguments, console);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  char text[80];
  std::snprintf(text, sizeof text, "%.3f s, at most %.1f MB of memory", time.count(),
                static_cast<double>(usage.ru_maxrss) * 1024 / 1e6);
  console.log.note(text);
  return code;
}

}  // namespace linnet::cli
