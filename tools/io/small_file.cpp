#include "tools/io/small_file.h"

#include "tools/io/descriptor.h"
#include "weights/base/error.h"

namespace linnet::io {

std::string read_small_file(const std::string& path, std::int64_t max_bytes) {
  const Descriptor file = open_input(path);
  const std::string name = input_name(path);
  std::string content;
  char block[1 << 14];
  while (const std::size_t n = read_some(file.get(), block, sizeof(block), name)) {
    content.append(block, n);
    if (static_cast<std::int64_t>(content.size()) > max_bytes) {
      throw Error(ErrorCode::kLimit,
                  name + ": has more than " + std::to_string(max_bytes) + " bytes");
    }
  }
  return content;
}

}  // namespace linnet::io
