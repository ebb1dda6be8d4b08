#pragma once

#include <stdexcept>
#include <string>

namespace linnet {

/// What kind of thing went wrong. Callers branch on the code, people read the message.
enum class ErrorCode {
  kInvalidArgument,  ///< an argument, option, text or request is out of its range
  kIo,               ///< a file cannot be opened, read or written
  kFormat,           ///< a file's content breaks the rules of its format
  kUnsupported,      ///< legal, but nothing this library does
  kNumeric,          ///< a value that must be finite is not
  kLimit,            ///< a stated limit (memory, size, count) would be exceeded
  kCancelled,        ///< a callback asked to stop
};

/// The stable name of a code, e.g. "format".
const char* name(ErrorCode code);

/// The one exception type of the library. The message says what, found and expected, e.g.
/// `model.safetensors: tensor "wte" has shape [50257, 512], expected [50257, 768]`.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace linnet
