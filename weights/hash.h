#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace linnet::weights {

/// XXH3-128 with seed 0: tells damage, not malice. Source: xxHash specification, "XXH3".
struct Hash128 {
  std::uint64_t high = 0, low = 0;
  bool operator==(const Hash128&) const = default;
};

/// 32 hexadecimal digits, the high half first, as `xxhsum -H2` prints it.
std::string text(const Hash128& hash);
/// What text() wrote; nothing for anything else.
std::optional<Hash128> parse_hash(std::string_view digits);

Hash128 hash_bytes(std::span<const std::byte> bytes);

/// Of the content of a regular file, read piece by piece. Throws kIo.
Hash128 hash_file(const std::string& path);

}  // namespace linnet::weights
