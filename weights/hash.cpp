#include "weights/hash.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/file_handle.h"

namespace linnet::weights {

std::string text(const Hash128& hash) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string digits;
  for (const std::uint64_t half : {hash.high, hash.low}) {
    for (int shift = 60; shift >= 0; shift -= 4) digits += kHex[half >> shift & 15];
  }
  return digits;
}

std::optional<Hash128> parse_hash(std::string_view digits) {
  Hash128 hash;
  const auto half = [&](std::size_t from, std::uint64_t& to) {
    const char* end = digits.data() + from + 16;
    return std::from_chars(digits.data() + from, end, to, 16).ptr == end;
  };
  if (digits.size() != 32 || !half(0, hash.high) || !half(16, hash.low)) return std::nullopt;
  return hash;
}

Hash128 hash_bytes(std::span<const std::byte> bytes) {
  const XXH128_hash_t h = XXH3_128bits(bytes.data(), bytes.size());
  return {h.high64, h.low64};
}

Hash128 hash_file(const std::string& path) {
  const std::string name = printable(path);
  // O_NONBLOCK: see Directory.
  const FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    throw Error(ErrorCode::kIo, name + ": cannot open: " + std::strerror(errno));
  }
  const std::size_t size = regular_file_size(file.get(), name);
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::vector<std::byte> piece(std::min(size, kPiece));
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  for (std::size_t done = 0; done < size;) {
    const std::size_t n = std::min(size - done, kPiece);
    read_bytes(file.get(), name, piece.data(), done, n);
    XXH3_128bits_update(&state, piece.data(), n);
    done += n;
  }
  const XXH128_hash_t h = XXH3_128bits_digest(&state);
  return {h.high64, h.low64};
}

}  // namespace linnet::weights
