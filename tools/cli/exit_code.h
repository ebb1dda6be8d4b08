#pragma once

#include <stdexcept>
#include <string>

namespace linnet::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;      // error: … on standard error
inline constexpr int kUsage = 2;       // the command line cannot be understood
inline constexpr int kSomeFailed = 3;  // finished, but rows failed
inline constexpr int kBySignal = 128;  // + SIGINT (130) or SIGTERM (143)

/// The command line, environment or configuration file cannot be understood: exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Stopped by a signal; nothing half-written is left.
struct Interrupted {
  int signal;
};

/// Nobody reads our standard output any more: the program ends without a word.
struct BrokenPipe {};

}  // namespace linnet::cli
