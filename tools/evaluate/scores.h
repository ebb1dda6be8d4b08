#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linnet::tools {

/// What an evaluation found, in the order in which it is shown.
class Scores {
 public:
  explicit Scores(std::string task) : task_(std::move(task)) {}

  void add(std::string name, double value) { entries_.push_back({std::move(name), value, false}); }
  void count(std::string name, std::int64_t value) {
    entries_.push_back({std::move(name), static_cast<double>(value), true});
  }

  /// {"schema": "linnet.evaluate.1", "task": …, then the scores}; one that is not defined is null.
  std::string json() const;
  /// A line for each, rounded to six significant digits.
  std::string table() const;

  struct Entry {
    std::string name;
    double value;
    bool is_count;
  };
  const std::vector<Entry>& entries() const { return entries_; }
  /// The score with this name, or null.
  const Entry* find(std::string_view name) const;

 private:
  std::string task_;
  std::vector<Entry> entries_;
};

}  // namespace linnet::tools
