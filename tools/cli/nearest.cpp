#include <algorithm>
#include <numeric>

#include "tools/cli/arguments.h"

namespace linnet::cli {
namespace {

// Levenshtein distance, one row at a time.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replace, diagonal + 1, row[j] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view wrong, std::span<const std::string_view> names) {
  wrong = wrong.substr(0, 64);
  std::string_view best;
  // A third of the letters may differ; a name that was cut short is near as well.
  std::size_t least = std::max<std::size_t>(wrong.size() / 3, 1) + 1;
  for (std::string_view name : names) {
    const bool cut = wrong.size() >= 3 && name.substr(0, wrong.size()) == wrong;
    const std::size_t found = cut ? 1 : distance(wrong, name);
    if (found < least) {
      least = found;
      best = name;
    }
  }
  return best;
}

}  // namespace linnet::cli
