#pragma once

#include <cstdint>
#include <string>

namespace linnet::io {

/// The whole content of a file that the user named; "-" is standard input. Throws Error: kIo when
/// it cannot be read, kLimit beyond max_bytes.
std::string read_small_file(const std::string& path, std::int64_t max_bytes);

}  // namespace linnet::io
