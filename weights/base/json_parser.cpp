#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "weights/base/json_tape.h"

// nlohmann's parser reads the text and reports what it finds; the builder below turns its reports
// into nodes and refuses what the library lets pass.
namespace linnet::json {
namespace {

using Library = nlohmann::json;

// Reads the text from a position that its owner sees too.
struct Reader {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char** at;

  reference operator*() const { return **at; }
  Reader& operator++() {
    ++*at;
    return *this;
  }
  bool operator==(const Reader& other) const { return *at == *other.at; }
  bool operator!=(const Reader& other) const { return *at != *other.at; }
};

// The library calls it for each value, key and end of a container, right after the last byte of
// that is read; after a number it has read the byte behind it, too, unless the text ends there.
class Builder {
 public:
  explicit Builder(Tape& tape)
      : tape_(tape), begin_(tape.text.data()), end_(begin_ + tape.text.size()), at_(begin_) {}

  void run() {
    if (tape_.text.starts_with("\xEF\xBB\xBF")) fail(0, "not JSON: begins with a byte order mark");
    if (const std::size_t nul = tape_.text.find('\0'); nul != tape_.text.npos) {
      fail(nul, "not JSON: a NUL byte");  // the library would take it for the end
    }
    Library::sax_parse(Reader{&at_}, Reader{&end_}, this);
  }

  bool null() {
    add(Kind::kNull);
    return done();
  }
  bool boolean(bool value) {
    add(Kind::kBoolean).boolean = value;
    return done();
  }
  bool number_integer(std::int64_t value) {
    const bool minus_zero = value == 0 && *start() == '-';  // an int64 would lose the sign
    if (minus_zero) {
      add(Kind::kFloat).number = -0.0;
    } else {
      add(Kind::kInteger).integer = value;
    }
    return done();
  }
  bool number_unsigned(std::uint64_t value) {
    if (value > std::numeric_limits<std::int64_t>::max()) {
      add(Kind::kBigInteger).number = static_cast<double>(value);
    } else {
      add(Kind::kInteger).integer = static_cast<std::int64_t>(value);
    }
    return done();
  }
  bool number_float(double value, const std::string& literal) {
    const bool integer = literal.find_first_not_of("-0123456789") == literal.npos;
    const bool zero = literal.find_first_of("123456789") >= literal.find_first_of("eE");
    if (value == 0 && !zero) fail_range();  // the library rounds it to zero
    add(integer ? Kind::kBigInteger : Kind::kFloat).number = value;
    return done();
  }
  bool string(const std::string& value) {
    add(Kind::kString).string = text(value);
    return done();
  }
  bool binary(const Library::binary_t&) { return false; }  // no JSON text has one
  bool start_object(std::size_t) { return open(Kind::kObject); }
  bool start_array(std::size_t) { return open(Kind::kArray); }
  bool key(const std::string& value) {
    key_ = text(value);
    has_key_ = true;
    return done();
  }
  bool end_object() {
    refuse_duplicates(open_[depth_ - 1]);
    return close();
  }
  bool end_array() { return close(); }

  // `read` bytes were read, the last of them is the wrong one; the end counts as one.
  [[noreturn]] bool parse_error(std::size_t read, const std::string&,
                                const Library::exception& error) {
    if (error.id == 406) fail_range();
    current_ = depth_ > 0 ? open_[depth_ - 1] : 0;
    // "[…] syntax error while parsing value - REASON; last read: '…'; expected …"
    std::string_view reason(error.what());
    const std::size_t dash = reason.find(" - ");
    if (dash != reason.npos) reason.remove_prefix(dash + 3);
    fail(read == 0 ? 0 : read - 1,
         "not JSON: " + std::string(reason.substr(0, reason.find("; last read: "))));
  }

 private:
  // The first byte of what was read last.
  const char* start() const {
    const char* p = last_;
    while (p < at_ && std::string_view(" \t\n\r,:").find(*p) != std::string_view::npos) ++p;
    return p;
  }
  bool done() {
    last_ = at_;
    return true;
  }

  // The string that was read last: without an escape, its own bytes in the text.
  Span text(const std::string& value) {
    const char* const from = start() + 1;
    const auto bytes = static_cast<std::uint32_t>(value.size());
    if (at_ - 1 - from == static_cast<std::ptrdiff_t>(bytes)) return {position(from), bytes};
    const std::size_t place = tape_.text.size() + tape_.unescaped.size();
    tape_.unescaped += value;
    return {static_cast<std::uint32_t>(place), bytes};
  }

  // A node for what was read last, a member of the innermost container.
  Node& add(Kind kind) {
    const std::size_t index = tape_.nodes.size();
    if (index == kMaxValues) {
      tape_.fail(ErrorCode::kLimit, position(start()), 0,
                 "more than " + std::to_string(kMaxValues) + " values");
    }
    if (depth_ > 0) ++tape_.nodes[open_[depth_ - 1]].size;
    Node node{};
    node.position = position(start());
    node.next = static_cast<std::uint32_t>(index) + 1;
    node.key_begin = key_.begin;
    node.key_bytes = key_.bytes & 0x0FFFFFFF;
    node.kind = static_cast<std::uint32_t>(kind) & 0xF;
    tape_.nodes.push_back(node);
    current_ = static_cast<std::uint32_t>(index);
    key_ = {};
    has_key_ = false;
    return tape_.nodes.back();
  }

  bool open(Kind kind) {
    add(kind).size = 0;
    if (depth_ == open_.size()) {
      fail(position(start()), "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    open_[depth_++] = current_;
    return done();
  }
  bool close() {
    current_ = open_[--depth_];
    tape_.nodes[current_].next = static_cast<std::uint32_t>(tape_.nodes.size());
    return done();
  }

  // All keys of an object against each other: pairs when they are few, else a hash table; keys made
  // to collide in it are sorted instead.
  void refuse_duplicates(std::uint32_t object) {
    keys_.clear();
    for (std::uint32_t n = object + 1; n < tape_.nodes.size(); n = tape_.nodes[n].next) {
      keys_.push_back(n);
    }
    const auto same = [&](std::uint32_t a, std::uint32_t b) {
      return tape_.key(a) == tape_.key(b);
    };
    if (keys_.size() <= 8) {
      for (std::size_t i = 1; i < keys_.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (same(keys_[i], keys_[j])) fail_duplicate(keys_[i]);
        }
      }
      return;
    }
    constexpr std::uint32_t kFree = 0;  // node 0 is the root and has no key
    constexpr int kMostProbes = 64;
    table_.assign(std::bit_ceil(2 * keys_.size()), kFree);
    for (const std::uint32_t node : keys_) {
      std::size_t slot = std::hash<std::string_view>()(tape_.key(node)) & (table_.size() - 1);
      int probes = 0;
      for (; table_[slot] != kFree; slot = (slot + 1) & (table_.size() - 1)) {
        if (same(table_[slot], node)) fail_duplicate(node);
        if (++probes == kMostProbes) return refuse_duplicates_by_sorting();
      }
      table_[slot] = node;
    }
  }
  void refuse_duplicates_by_sorting() {
    std::sort(keys_.begin(), keys_.end(), [&](std::uint32_t a, std::uint32_t b) {
      const int order = tape_.key(a).compare(tape_.key(b));
      return order != 0 ? order < 0 : a < b;
    });
    for (std::size_t i = 1; i < keys_.size(); ++i) {
      if (tape_.key(keys_[i - 1]) == tape_.key(keys_[i])) fail_duplicate(keys_[i]);
    }
  }
  [[noreturn]] void fail_duplicate(std::uint32_t node) {
    current_ = node;
    fail(tape_.nodes[node].position, "this key stands twice in its object");
  }

  [[noreturn]] void fail_range() {
    const std::uint32_t where = position(start());
    add(Kind::kFloat);
    fail(where, "a number beyond the range of a double");
  }
  [[noreturn]] void fail(std::size_t where, const std::string& message) {
    if (has_key_ || tape_.nodes.empty()) add(Kind::kNull);  // the value that cannot be read
    // Containers that are open end here, so that the way to the current node can be walked.
    const auto end = static_cast<std::uint32_t>(tape_.nodes.size());
    for (; depth_ > 0; --depth_) tape_.nodes[open_[depth_ - 1]].next = end;
    tape_.fail(ErrorCode::kFormat, where, current_, message);
  }

  std::uint32_t position(const char* p) const { return static_cast<std::uint32_t>(p - begin_); }

  Tape& tape_;
  const char *begin_, *end_;
  const char* at_;             // the library has read up to here
  const char* last_ = begin_;  // and up to here when it called the last time
  Span key_{};                 // of the member that comes next
  bool has_key_ = false;       // its key is read
  std::uint32_t current_ = 0;  // the value, or the container of the key, that errors are about
  std::size_t depth_ = 0;
  std::array<std::uint32_t, kMaxDepth> open_{};  // the containers around the current position
  std::vector<std::uint32_t> keys_, table_;
};

}  // namespace

void parse_into(Tape& tape) { Builder(tape).run(); }

}  // namespace linnet::json
