#include "tools/bench/provenance.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>

#include "engine/core/parallel.h"
#include "tools/bench/machine.h"
#include "tools/cli/build_info.h"

namespace linnet::bench {
namespace {

std::string first_line_with(const char* path, std::string_view key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    const std::size_t begin = line.find_first_not_of(" \t", colon == line.npos ? 0 : colon + 1);
    return begin == line.npos ? "" : line.substr(begin);
  }
  return {};
}

std::string cpu_info() {
  const std::string model = first_line_with("/proc/cpuinfo", "model name");
  return model.empty() ? "unknown" : model;
}

/// "always [madvise] never" is what the system says of huge pages; the chosen word.
std::string huge_pages() {
  const std::string line = first_line_with("/sys/kernel/mm/transparent_hugepage/enabled", "");
  const std::size_t begin = line.find('['), end = line.find(']');
  return begin < end && end != line.npos ? line.substr(begin + 1, end - begin - 1) : "unknown";
}

/// The words of this process, the first one without its folder.
std::string command() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::string words{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!words.empty()) words.pop_back();
  const std::size_t slash = words.rfind('/', words.find('\0'));
  if (slash != words.npos) words.erase(0, slash + 1);
  std::replace(words.begin(), words.end(), '\0', ' ');
  return words;
}

std::string utc_now() {
  const std::time_t t = std::time(nullptr);
  std::tm parts = {};
  char text[32] = {};
  if (gmtime_r(&t, &parts) == nullptr) return {};
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

Probes probe_machine() { return {.clock_ghz = clock_ghz(), .memory_gbytes = memory_gbytes()}; }

Record provenance(const Probes& probes) {
  return {{"version", cli::version_number(), "linnet"},
          {"build_commit", cli::commit(), "commit"},
          {"compiler", cli::compiler(), "compiler"},
          {"cpu_info", cpu_info(), "CPU"},
          {"cpus", std::int64_t{available_threads()}, "threads this process may use"},
          {"levels_detected", cli::levels_detected(), "levels"},
          {"threads_provider", threads_provider()},
          {"huge_pages", huge_pages(), "huge pages"},
          {"clock_probe", probes.clock_ghz, "clock in GHz", 2},
          {"memory_probe", probes.memory_gbytes, "memory read by one thread in GB/s"},
          {"test_time", utc_now(), "time"},
          {"command", command(), "command"}};
}

std::int64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

std::int64_t peak_resident_bytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;  // given in KiB
}

}  // namespace linnet::bench
