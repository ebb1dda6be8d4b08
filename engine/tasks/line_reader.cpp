#include "engine/tasks/line_reader.h"

#include <cstring>
#include <utility>

#include "weights/base/error.h"

namespace linnet {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 16;

// True while these first bytes may become a byte order mark: a terminal that gave a short line has
// no more until it is answered.
bool may_become_mark(std::string_view front) {
  for (const std::string_view mark : {"\xEF\xBB\xBF", "\xFF\xFE", "\xFE\xFF"}) {
    if (front.size() < mark.size() && mark.starts_with(front)) return true;
  }
  return false;
}

}  // namespace

LineReader::LineReader(ReadBytes read, std::string name, std::int64_t max_line_bytes)
    : read_(std::move(read)), name_(std::move(name)), max_line_bytes_(max_line_bytes) {}

// Reads one more block behind what is there; false at the end of the stream.
bool LineReader::fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + kBlock) buffer_.resize(std::max(2 * buffer_.size(), end_ + kBlock));
  const std::size_t n = read_(buffer_.data() + end_, buffer_.size() - end_);
  end_ += n;
  at_end_ = n == 0;
  return !at_end_;
}

void LineReader::drop_byte_order_mark() {
  while (may_become_mark(std::string_view(buffer_).substr(0, end_)) && fill()) {
  }
  const std::string_view front = std::string_view(buffer_).substr(0, end_);
  if (front.substr(0, 3) == "\xEF\xBB\xBF") begin_ = 3;
  if (front.substr(0, 2) == "\xFF\xFE" || front.substr(0, 2) == "\xFE\xFF") {
    throw Error(ErrorCode::kFormat, name_ + ": found UTF-16, expected UTF-8");
  }
}

LineReader::Next LineReader::next(std::string_view& line) {
  if (!std::exchange(started_, true)) drop_byte_order_mark();
  bool too_long = false;
  std::size_t searched = 0;
  while (true) {
    const char* from = buffer_.data() + begin_;
    const std::size_t size = end_ - begin_;
    const void* found =
        size == searched ? nullptr : std::memchr(from + searched, '\n', size - searched);
    const bool ends = found != nullptr;
    const std::size_t length =
        ends ? static_cast<std::size_t>(static_cast<const char*>(found) - from) : size;
    too_long = too_long || static_cast<std::int64_t>(length) > max_line_bytes_;
    if (ends) {
      begin_ += length + 1;
      ++number_;
      line = std::string_view(from, length);
      return too_long ? Next::kTooLong : Next::kLine;
    }
    searched = size;
    if (too_long) {  // nothing of it is kept
      begin_ = end_;
      searched = 0;
    }
    if (!fill()) break;
  }
  if (begin_ == end_ && !too_long) return Next::kEnd;
  line = std::string_view(buffer_).substr(begin_, end_ - begin_);
  begin_ = end_;
  ++number_;
  return too_long ? Next::kTooLong : Next::kLine;
}

}  // namespace linnet
