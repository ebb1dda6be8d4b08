#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "weights/checkpoint.h"

// The golden cases: a folder each, with inputs and outputs in io.safetensors (see the README
// there).
namespace linnet::test {

/// The tensors of one file of a golden case.
class GoldenFile {
 public:
  explicit GoldenFile(const std::filesystem::path& file)
      : directory_(file.parent_path()), tensors_(*directory_.open(file.filename().string())) {}

  bool has(const std::string& name) const { return tensors_.find(name) != nullptr; }
  bool is_float(const std::string& name) const {
    return tensors_.find(name)->dtype == weights::DType::kF32;
  }
  /// Tensors whose name begins so.
  std::size_t count(std::string_view prefix) const {
    std::size_t n = 0;
    for (const auto& tensor : tensors_.tensors()) n += tensor.name.starts_with(prefix) ? 1 : 0;
    return n;
  }
  std::vector<std::int64_t> shape(const std::string& name) const {
    const auto s = tensors_.find(name)->shape;
    return {s.begin(), s.end()};
  }
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const auto* tensor = tensors_.find(name);
    std::vector<T> v(tensor->bytes.size() / sizeof(T));
    std::memcpy(v.data(), tensor->bytes.data(), tensor->bytes.size());
    return v;
  }
  /// "b0", "b1", …: what stands before the first dot of the names.
  std::vector<std::string> batches() const {
    std::set<std::string> found;
    for (const auto& tensor : tensors_.tensors()) {
      found.insert(std::string(tensor.name.substr(0, tensor.name.find('.'))));
    }
    return {found.begin(), found.end()};
  }

 private:
  weights::Directory directory_;
  weights::Safetensors tensors_;
};

/// A padded batch of a golden case, packed as linnet wants it.
struct GoldenBatch {
  std::vector<std::int32_t> tokens, positions, types;
  std::vector<std::int64_t> starts{0};
  std::vector<std::int64_t> column_rows;  // index in the padded [B·T] of each packed token

  GoldenBatch(const GoldenFile& io, const std::string& batch) {
    const auto ids = io.values<std::int64_t>(batch + ".input_ids");
    const auto shape = io.shape(batch + ".input_ids");
    const std::int64_t T = shape.back();
    const auto optional = [&](const char* name) {
      const std::string full = batch + "." + name;
      return io.has(full) ? io.values<std::int64_t>(full) : std::vector<std::int64_t>();
    };
    const auto mask = optional("attention_mask"), type = optional("token_type_ids"),
               position = optional("position_ids");
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto column = static_cast<std::int64_t>(i) % T;
      if (mask.empty() || mask[i] != 0) {
        tokens.push_back(static_cast<std::int32_t>(ids[i]));
        positions.push_back(static_cast<std::int32_t>(position.empty() ? column : position[i]));
        if (!type.empty()) types.push_back(static_cast<std::int32_t>(type[i]));
        column_rows.push_back(static_cast<std::int64_t>(i));
      }
      if (column == T - 1) starts.push_back(static_cast<std::int64_t>(tokens.size()));
    }
  }
};

/// max |x - golden| <= 2e-5 · max(1, max |golden|) over what is compared.
inline void expect_close(const std::vector<float>& got, const std::vector<float>& want,
                         const std::string& what, double tolerance = 2e-5) {
  ASSERT_EQ(got.size(), want.size()) << what;
  double largest = 1, difference = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(want[i])));
    const double d = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    difference = d > difference || std::isnan(d) ? d : difference;
    if (std::isnan(d)) break;
  }
  EXPECT_LE(difference, tolerance * largest) << what;
}

}  // namespace linnet::test
