// A sharded checkpoint: the text up to the first line "--" is the index, what follows are shards
// "a", "b" and "c", each the JSON of its header, a line break and its data. Whatever stands there
// is read or refused with an Error.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/safetensors_bytes.h"
#include "weights/base/error.h"
#include "weights/checkpoint.h"

namespace {

namespace fs = std::filesystem;
using namespace linnet::weights;

void require(bool truth) {
  if (!truth) __builtin_trap();
}

void write(const fs::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  require(file.good());
}

// One directory for the process, in memory where the system has such a place.
const fs::path& directory() {
  static const fs::path path = [] {
    const fs::path shared = fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
    const fs::path made = shared / ("linnet_fuzz_" + std::to_string(getpid()));
    fs::create_directories(made);
    write(made / "config.json", "{}");
    std::atexit([] { fs::remove_all(directory()); });
    return made;
  }();
  return path;
}

// The text up to the separator, or all of it; the rest stays.
std::string_view take(std::string_view& rest, std::string_view separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + separator.size(), rest.size()));
  return taken;
}

void check(const Checkpoint& checkpoint) {
  const auto tensors = checkpoint.tensors();
  std::size_t total = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    require(i == 0 || tensors[i - 1].name < tensors[i].name);
    require(checkpoint.find(tensors[i].name) == &tensors[i]);
    require(bytes_of(tensors[i].dtype, tensors[i].shape) ==
            static_cast<std::int64_t>(tensors[i].bytes.size()));
    std::byte sum{};
    for (const std::byte b : tensors[i].bytes) sum ^= b;
    volatile std::byte read = sum;
    static_cast<void>(read);
    total += tensors[i].bytes.size();
    checkpoint.release(tensors[i]);
  }
  std::size_t files = 0;
  for (const Safetensors& file : checkpoint.files()) files += file.file().bytes().size();
  require(total <= files);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  write(directory() / "model.safetensors.index.json", take(rest, "\n--\n"));
  for (const char* shard : {"a", "b", "c"}) {
    if (rest.empty()) {
      fs::remove(directory() / shard);
      continue;
    }
    std::string_view bytes = take(rest, "\n--\n");
    const std::string_view header = take(bytes, "\n");
    write(directory() / shard, linnet::test::safetensors_bytes(header, bytes));
  }
  for (const FileAccess access : {FileAccess::kMap, FileAccess::kRead}) {
    try {
      check(Checkpoint(directory(), {.access = access}));
    } catch (const linnet::Error&) {
    }
  }
  return 0;
}
