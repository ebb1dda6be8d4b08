#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace linnet {

/// Gives the next bytes of a stream: up to `bytes` of them to `to`, 0 only at the end. May throw.
using ReadBytes = std::function<std::size_t(char* to, std::size_t bytes)>;

inline constexpr std::int64_t kMaxLineBytes = std::int64_t{16} << 20;

/// The lines of a stream, in memory for one line. A line ends with LF; the last one may lack it. A
/// byte order mark at the front is dropped.
class LineReader {
 public:
  /// `name` stands in errors.
  LineReader(ReadBytes read, std::string name, std::int64_t max_line_bytes = kMaxLineBytes);

  enum class Next { kLine, kTooLong, kEnd };
  /// The next line without its LF, valid until the next call; a CR before the LF stays. Of a line
  /// with more than max_line_bytes nothing is given: it is passed over. Throws kFormat for UTF-16.
  Next next(std::string_view& line);

  /// Number of the line that next() gave, from 1.
  std::int64_t number() const { return number_; }
  std::int64_t max_line_bytes() const { return max_line_bytes_; }
  const std::string& name() const { return name_; }

 private:
  bool fill();
  void drop_byte_order_mark();

  ReadBytes read_;
  std::string name_;
  std::int64_t max_line_bytes_;
  std::int64_t number_ = 0;
  std::string buffer_;  // [begin_, end_) is read and not given yet
  std::size_t begin_ = 0, end_ = 0;
  bool started_ = false, at_end_ = false;
};

}  // namespace linnet
