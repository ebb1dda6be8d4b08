// Any bytes as a safetensors file. What is accepted lies inside the file without overlap, and is
// the same when it is written and read again.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/safetensors_bytes.h"
#include "weights/base/error.h"
#include "weights/safetensors.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace {

using namespace linnet::weights;

void require(bool truth) {
  if (!truth) __builtin_trap();
}

// Every byte of the data belongs to one tensor.
void check_tensors(const Safetensors& file, std::string_view bytes) {
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::vector<int> owners(bytes.size() - 8 - header);
  const std::byte* const begin = file.file().bytes().data() + 8 + header;
  for (const TensorView& tensor : file.tensors()) {
    require(file.find(tensor.name) == &tensor);
    require(bytes_of(tensor.dtype, tensor.shape) == static_cast<std::int64_t>(tensor.bytes.size()));
    require(tensor.elements() >= 0 && !shape_text(tensor.shape).empty());
    const auto at = static_cast<std::size_t>(tensor.bytes.data() - begin);
    for (std::size_t i = 0; i < tensor.bytes.size(); ++i) {
      ++owners.at(at + i);
      require(tensor.bytes[i] == static_cast<std::byte>(bytes[8 + header + at + i]));
    }
  }
  require(std::all_of(owners.begin(), owners.end(), [](int n) { return n == 1; }));
}

void check_round_trip(const Safetensors& file) {
  std::vector<TensorToWrite> tensors;
  for (const TensorView& t : file.tensors()) {
    tensors.push_back({std::string(t.name), t.dtype, {t.shape.begin(), t.shape.end()}, t.bytes});
  }
  const SafetensorsPlan plan = plan_safetensors(tensors, file.metadata());
  std::string written = plan.header;
  for (const std::size_t i : plan.order) {
    written.append(reinterpret_cast<const char*>(tensors[i].bytes.data()), tensors[i].bytes.size());
  }
  const Safetensors again(linnet::test::memory_file(written));
  require(again.metadata() == file.metadata());
  require(std::equal(
      again.tensors().begin(), again.tensors().end(), file.tensors().begin(), file.tensors().end(),
      [](const TensorView& a, const TensorView& b) {
        return a.name == b.name && a.dtype == b.dtype &&
               std::equal(a.shape.begin(), a.shape.end(), b.shape.begin(), b.shape.end()) &&
               std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
      }));
}

}  // namespace

// Random bytes seldom begin with their length: three times in four the length is that of the text
// up to the last '}'.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (size < 9 || seed % 4 == 0) return size;
  const std::string_view text(reinterpret_cast<const char*>(data) + 8, size - 8);
  if (const std::size_t last = text.rfind('}'); last != text.npos) {
    const std::uint64_t length = last + 1;
    std::memcpy(data, &length, sizeof length);
  }
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::optional<Safetensors> file;
  try {
    file.emplace(linnet::test::memory_file(bytes));
  } catch (const linnet::Error& error) {
    require(error.code() != linnet::ErrorCode::kIo);  // the bytes are wrong, not their reading
    return 0;
  }
  check_tensors(*file, bytes);
  check_round_trip(*file);
  return 0;
}
