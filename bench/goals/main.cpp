// Every goal of the products, beside what this machine reaches:
//   bench_goals [--only GROUP,..] [--rounds N] [--format table|csv|json|jsonl|md|sql] [--cells]
//
// Each row is a set of products, ours and a competitor's in turn, a few ms each; a ratio is the
// lower quartile of the competitor's time to ours, and the row gives their geometric mean and the
// worst. hot: the same weights in every call; cold: cycling through 256 MB of them. Excluded on
// both sides: packing of weights, quantising or rounding of x; included: the bias. One thread where
// nothing else is said. --cells writes each product instead. The exit code does not depend on any
// time: machines are noisy, this is a report.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "bench/against/onednn.h"
#include "bench/goals/measure.h"
#include "tools/bench/provenance.h"
#include "tools/bench/record.h"

namespace linnet::bench {
namespace {

struct Options {
  std::set<std::string> only;
  int rounds = 40;
  Format format = Format::kTable;
  bool cells = false;
};

std::string text(double value, Quantity quantity) {
  char out[32] = {};
  const bool share = quantity == Quantity::kPeakShare || quantity == Quantity::kMemoryShare;
  if (quantity == Quantity::kGops) {
    std::snprintf(out, sizeof(out), "%.0f", value);
  } else {
    std::snprintf(out, sizeof(out), share ? "%.1f %%" : "%.3f", share ? 100 * value : value);
  }
  return out;
}

const char* unit(const Goal& goal, Quantity quantity) {
  switch (quantity) {
    case Quantity::kRatio:
      return goal.rival == Rival::kLibrary     ? "oneDNN's time"
             : goal.rival == Rival::kOneThread ? "1 thread's time"
                                               : "our FP32's time";
    case Quantity::kPeakShare:
      return "of peak";
    case Quantity::kGops:
      return "GOP/s";
    case Quantity::kMemoryShare:
      return "of DRAM read";
  }
  return "";
}

std::string shape(const GemmProblem& p) {
  return std::to_string(p.M) + ", " + std::to_string(p.N) + "x" + std::to_string(p.K);
}

const char* name(Machine machine) { return machine == Machine::kAmx ? "AMX" : "AVX-512-VNNI"; }

/// One target as a row. No cells: it was not measured, and `verdict` says why.
Record row_of(const Goal& goal, Machine machine, const Target& target,
              const std::vector<Compared>& cells, const char* verdict) {
  const Outcome o = cells.empty() ? Outcome{} : outcome(target, cells);
  const bool measured = !cells.empty();
  const Quantity q = target.quantity;
  const auto value = [&](double x) { return measured ? Value(x) : Value(); };
  const auto shown = [&](double x) { return measured ? Value(text(x, q)) : Value(); };
  // A rate depends on the clock: its share of the peak says how good it is.
  const std::string of_peak =
      q == Quantity::kGops ? " (" + text(o.peak_share, Quantity::kPeakShare) + ")" : "";
  return {{"machine", name(machine), "goals of"},
          {"group", goal.group, "group"},
          {"what", goal.what, "what"},
          {"unit", unit(goal, q), "in"},
          {"goal", target.goal},
          {"floor", target.floor},
          {"value", value(o.value)},
          {"worst", value(o.worst)},
          {"peak_share", value(o.peak_share)},
          {"goal_text", text(target.goal, q), "goal"},
          {"value_text", measured ? Value(text(o.value, q) + of_peak) : Value(), "mean"},
          {"worst_text", shown(o.worst), "worst"},
          {"worst_shape", measured ? Value(shape(o.worst_cell)) : Value(), "worst at M, NxK"},
          {"floor_text", target.floor > 0 ? Value(text(target.floor, q)) : Value(), "floor"},
          {"cells", static_cast<std::int64_t>(cells.size())},
          {"verdict",
           !measured   ? verdict
           : o.reached ? "reached"
                       : "not reached",
           "verdict"}};
}

Record cell_of(const Goal& goal, const Compared& c) {
  return {{"group", goal.group, "group"},
          {"what", goal.what, "what"},
          {"isa", kernels::name(c.problem.isa), "level"},
          {"m", c.problem.M, "M"},
          {"n", c.problem.N, "N"},
          {"k", c.problem.K, "K"},
          {"ratio_p25", c.ratio_p25, "p25", 3},
          {"ratio_p50", c.ratio_p50, "p50", 3},
          {"gops", c.gops, "GOP/s"},
          {"their_gops", c.their_gops, "theirs"},
          {"peak_gops", c.peak_gops, "peak"},
          {"peak_share", c.gops / c.peak_gops, "share", 3},
          {"weights_gbytes", c.weights_gbytes, "weights GB/s"},
          {"memory_gbytes", c.memory_gbytes > 0 ? Value(c.memory_gbytes) : Value(), "memory GB/s"},
          {"difference", c.difference},
          {"agrees", c.agrees, "checked"}};
}

/// The rows of one kind of machine.
void add_rows(const Options& o, Machine machine, std::vector<Record>& rows) {
  for (const Goal& goal : goals(machine)) {
    if (!o.only.empty() && !o.only.contains(goal.group)) continue;
    const bool here = measurable(goal, machine);
    if (here) std::fprintf(stderr, "%s\n", goal.what);
    const std::vector<Compared> cells = here ? measure(goal, o.rounds) : std::vector<Compared>();
    if (o.cells) {
      for (const Compared& c : cells) rows.push_back(cell_of(goal, c));
      continue;
    }
    for (const Target& target : goal.targets) {
      if (target.goal == 0) continue;
      rows.push_back(row_of(goal, machine, target, cells, here ? "failed" : "not on this machine"));
    }
  }
}

int run(const Options& o) {
  Document document{.schema = o.cells ? "linnet.bench.cells.1" : "linnet.bench.goals.1"};
  document.provenance = provenance(probe_machine());
  document.provenance.push_back({"onednn", kOneDnn.version(), "against"});
  const Machine here = machine_kind();
  add_rows(o, here, document.rows);
  add_rows(o, here == Machine::kAmx ? Machine::kAvx512Vnni : Machine::kAmx, document.rows);
  document.provenance.push_back({"clock_probe_after", probe_machine().clock_ghz, "clock after", 2});
  std::fputs(render(document, o.format).c_str(), stdout);
  return 0;
}

bool is_group(const std::string& word) {
  const std::span<const Goal> all = goals(Machine::kAvx512Vnni);
  return std::any_of(all.begin(), all.end(), [&](const Goal& g) { return word == g.group; });
}

/// Words between commas, each the name of a group.
bool parse_groups(const std::string& list, std::set<std::string>& groups) {
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (!is_group(groups.emplace(list.substr(begin, end - begin)).first->c_str())) return false;
    begin = end + 1;
  }
  return true;
}

bool parse(const std::string& name, const std::string& value, Options& o) {
  if (name == "--only") return parse_groups(value, o.only);
  if (name == "--rounds") return (o.rounds = std::atoi(value.c_str())) > 0;
  if (name != "--format") return false;
  if (("|" + std::string(kFormats) + "|").find("|" + value + "|") == std::string::npos)
    return false;
  o.format = format_of(value);
  return true;
}

int usage(const char* program) {
  std::string groups, last;
  for (const Goal& g : goals(Machine::kAvx512Vnni)) {
    if (last != g.group) groups += (groups.empty() ? "" : ", ") + std::string(g.group);
    last = g.group;
  }
  std::fprintf(stderr,
               "usage: %s [--only GROUP,..] [--rounds N] [--format %s] [--cells]\ngroups: %s\n",
               program, std::string(kFormats).c_str(), groups.c_str());
  return 2;
}

}  // namespace
}  // namespace linnet::bench

int main(int argc, char** argv) {
  using namespace linnet::bench;
  Options o;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--cells") {
      o.cells = true;
    } else if (i + 1 < argc && parse(argv[i], argv[i + 1], o)) {
      ++i;
    } else {
      return usage(argv[0]);
    }
  }
  return run(o);
}
