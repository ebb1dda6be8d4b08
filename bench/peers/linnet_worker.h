#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

#include "weights/base/json.h"

// linnet's side of the protocol of README.md.
namespace linnet::bench {

/// Answers requests about one model or tokenizer.
class Worker {
 public:
  virtual ~Worker() = default;
  /// The members of the reply, without braces: `"ms":[1.5]`. Throws linnet::Error.
  virtual std::string answer(std::string_view op, json::Value request) = 0;
};

/// Numbers as a JSON array.
template <class Numbers>
std::string json_array(const Numbers& numbers) {
  std::string text = "[";
  for (const auto& x : numbers) {
    if (text.size() > 1) text += ',';
    if constexpr (std::is_floating_point_v<std::remove_cvref_t<decltype(x)>>) {
      char digits[32];
      std::snprintf(digits, sizeof digits, "%.9g", static_cast<double>(x));
      text += digits;
    } else {
      text += std::to_string(x);
    }
  }
  return text + "]";
}

/// Peak of the resident memory of this process, from the kernel.
std::int64_t peak_kb();

/// Seconds of a clock that only goes forward.
double seconds();

}  // namespace linnet::bench
