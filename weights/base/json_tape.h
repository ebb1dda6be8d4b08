#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weights/base/error.h"
#include "weights/base/json.h"

// What a parsed text is made of; private to json*.cpp.
namespace linnet::json {

// More values than any vocabulary has; their nodes take 768 MiB.
constexpr std::size_t kMaxValues = std::size_t{1} << 25;
// Positions in the text and after it in the unescaped strings fit 32 bits, lengths fit 28.
constexpr std::int64_t kMaxTextBytes = std::int64_t{1} << 28;

/// Characters of the text, or of the unescaped strings when `begin` lies beyond the text.
struct Span {
  std::uint32_t begin, bytes;
};

/// One value. The values inside a container follow it, each with everything in it.
struct Node {
  std::uint32_t position;  // of its first byte in the text
  std::uint32_t next;      // the node after this value and everything in it
  std::uint32_t key_begin;
  std::uint32_t key_bytes : 28;  // members of objects only
  std::uint32_t kind : 4;
  union {
    bool boolean;
    std::int64_t integer;
    double number;  // kFloat, kBigInteger
    Span string;
    std::uint32_t size;  // kArray, kObject
  };
};
static_assert(sizeof(Node) == 24);

struct Tape {
  std::string file;
  std::string text;
  std::string unescaped;  // strings that have escapes, without them
  std::vector<Node> nodes;

  std::string_view view(Span span) const {
    return span.begin < text.size()
               ? std::string_view(text).substr(span.begin, span.bytes)
               : std::string_view(unescaped).substr(span.begin - text.size(), span.bytes);
  }
  std::string_view key(std::uint32_t node) const {
    return view({nodes[node].key_begin, nodes[node].key_bytes});
  }

  /// The keys and indices that lead from the root to a node, e.g. `layers[2].name`.
  std::string path(std::uint32_t target) const;
  /// Throws "FILE:LINE:COLUMN: PATH: MESSAGE"; columns count bytes.
  [[noreturn]] void fail(ErrorCode code, std::size_t position, std::uint32_t node,
                         const std::string& message) const;
};

/// Fills the nodes from the text.
void parse_into(Tape& tape);

}  // namespace linnet::json
