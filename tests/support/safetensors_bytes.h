#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "weights/mapped_file.h"

namespace linnet::test {

/// The bytes of a safetensors file: length of the header, header, data.
inline std::string safetensors_bytes(std::string_view header, std::string_view data = "") {
  const std::uint64_t n = header.size();
  std::string bytes(reinterpret_cast<const char*>(&n), sizeof n);
  return bytes.append(header).append(data);
}

/// A tensor of a file under construction.
struct TensorBytes {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::string data;
};

/// The same for F32 [values.size()] or the shape given.
inline TensorBytes f32_tensor(std::string name, const std::vector<float>& values,
                              std::vector<std::int64_t> shape = {}) {
  if (shape.empty()) shape = {static_cast<std::int64_t>(values.size())};
  std::string data(values.size() * sizeof(float), '\0');
  std::memcpy(data.data(), values.data(), data.size());
  return {std::move(name), "F32", std::move(shape), std::move(data)};
}

/// A file with these tensors, one after the other.
inline std::string safetensors_bytes(const std::vector<TensorBytes>& tensors) {
  std::string header = "{", data;
  for (const TensorBytes& t : tensors) {
    std::string dims;
    for (const std::int64_t d : t.shape)
      dims.append(dims.empty() ? "" : ",").append(std::to_string(d));
    header.append(header.size() > 1 ? "," : "")
        .append("\"")
        .append(t.name)
        .append("\":{\"dtype\":\"");
    header.append(t.dtype).append("\",\"shape\":[").append(dims).append("],\"data_offsets\":[");
    header.append(std::to_string(data.size())).append(",");
    data += t.data;
    header.append(std::to_string(data.size())).append("]}");
  }
  return safetensors_bytes(header + "}", data);
}

/// A file that is in memory only.
inline weights::MappedFile memory_file(std::string_view bytes, std::string name = "x.safetensors",
                                       weights::FileAccess access = weights::FileAccess::kMap) {
  const int fd = memfd_create("linnet_test", MFD_CLOEXEC);
  if (fd < 0) throw std::runtime_error("memfd_create");
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
    if (n <= 0) throw std::runtime_error("write to memory file");
    done += static_cast<std::size_t>(n);
  }
  try {
    weights::MappedFile file(fd, std::move(name), access);
    close(fd);
    return file;
  } catch (...) {
    close(fd);
    throw;
  }
}

}  // namespace linnet::test
