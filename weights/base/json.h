#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// JSON from untrusted files, read strictly: RFC 8259 without any of the usual leniencies. No BOM,
// no comment, no trailing comma, no bytes after the text, no duplicate key, valid UTF-8, at most 64
// levels. The result is flat: one vector of nodes and one string arena, whatever the nesting.
namespace linnet::json {

constexpr std::int64_t kMaxDepth = 64;
// Largest files by kind.
constexpr std::int64_t kConfigBytes = std::int64_t{4} << 20;
constexpr std::int64_t kIndexBytes = std::int64_t{16} << 20;
constexpr std::int64_t kTokenizerBytes = std::int64_t{256} << 20;

/// kBigInteger: an integer without fraction or exponent that int64 cannot hold.
enum class Kind : std::uint8_t {
  kNull,
  kBoolean,
  kInteger,
  kBigInteger,
  kFloat,
  kString,
  kArray,
  kObject
};

struct Tape;  // the nodes of a document

class Members;
class Elements;

/// One value of a document. A cheap handle: the document must outlive it. Getters throw
/// Error(kFormat) naming file, line, path of keys, what was found and what was expected.
class Value {
 public:
  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }

  std::string_view string() const;
  bool boolean() const;
  /// 1.0 and 1e3 are not integers.
  std::int64_t integer() const;
  /// An integer in [low, high].
  std::int64_t integer(std::int64_t low, std::int64_t high) const;
  /// Integers and floats of any size; also {"__float__": "Infinity" | "-Infinity" | "NaN"}.
  double number() const;

  /// Member of an object, if there. Linear in the number of members.
  std::optional<Value> find(std::string_view key) const;
  /// The same; a member that is null counts as absent.
  std::optional<Value> find_non_null(std::string_view key) const;
  /// Member of an object that must be there.
  Value at(std::string_view key) const;
  /// Members in the order of the file; throws unless this is an object.
  Members members() const;
  /// Elements of an array.
  Elements elements() const;
  /// Number of members or elements.
  std::int64_t size() const;

  /// Throws Error(kFormat) about this value: "FILE:LINE:COLUMN: a.b[2]: MESSAGE".
  [[noreturn]] void fail(const std::string& message) const;

 private:
  friend class Document;
  friend class Members;
  friend class Elements;
  Value(const Tape* tape, std::uint32_t node) : tape_(tape), node_(node) {}
  void expect(Kind kind, const char* expected) const;

  const Tape* tape_;
  std::uint32_t node_;
};

struct Member {
  std::string_view key;
  Value value;
};

/// Ranges for `for (Member m : object.members())` and `for (Value v : array.elements())`.
class Members {
 public:
  class Iterator {
   public:
    Iterator(const Tape* tape, std::uint32_t node) : tape_(tape), node_(node) {}
    Member operator*() const;
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return node_ != other.node_; }

   private:
    const Tape* tape_;
    std::uint32_t node_;
  };
  Members(const Tape* tape, std::uint32_t begin, std::uint32_t end)
      : tape_(tape), begin_(begin), end_(end) {}
  Iterator begin() const { return {tape_, begin_}; }
  Iterator end() const { return {tape_, end_}; }

 private:
  const Tape* tape_;
  std::uint32_t begin_, end_;
};

class Elements {
 public:
  class Iterator {
   public:
    Iterator(const Tape* tape, std::uint32_t node) : members_(tape, node) {}
    Value operator*() const { return (*members_).value; }
    Iterator& operator++() {
      ++members_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return members_ != other.members_; }

   private:
    Members::Iterator members_;
  };
  Elements(const Tape* tape, std::uint32_t begin, std::uint32_t end)
      : tape_(tape), begin_(begin), end_(end) {}
  Iterator begin() const { return {tape_, begin_}; }
  Iterator end() const { return {tape_, end_}; }

 private:
  const Tape* tape_;
  std::uint32_t begin_, end_;
};

/// A parsed text; owns everything its values show.
class Document {
 public:
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();
  Value root() const;

 private:
  friend Document parse(std::string_view, std::string, std::int64_t);
  explicit Document(std::unique_ptr<Tape> tape);
  std::unique_ptr<Tape> tape_;
};

/// Parses `text`; `file` names it in errors. Throws kFormat with file, line, column and path of
/// keys; kLimit when it has more than max_bytes.
Document parse(std::string_view text, std::string file, std::int64_t max_bytes);

}  // namespace linnet::json
