#include "weights/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "weights/base/error.h"

namespace linnet::weights {
namespace {

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorCode::kIo, name + ": " + what);
}

void read_all(int fd, const std::string& name, std::byte* to, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = pread(fd, to + done, size - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(name, std::string("cannot read: ") + std::strerror(errno));
    if (n == 0) {
      fail(name,
           "ended after " + std::to_string(done) + " bytes, expected " + std::to_string(size));
    }
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace

MappedFile::MappedFile(int fd, std::string name, FileAccess access)
    : access_(access), name_(std::move(name)) {
  struct stat info {};
  if (fstat(fd, &info) != 0) fail(name_, std::string("cannot stat: ") + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) fail(name_, "is not a regular file");
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ == 0) return;
  const bool mapped = access == FileAccess::kMap;
  void* p = mmap(nullptr, size_, mapped ? PROT_READ : PROT_READ | PROT_WRITE,
                 mapped ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, mapped ? fd : -1, 0);
  if (p == MAP_FAILED) {
    throw Error(ErrorCode::kLimit, name_ + ": needs " + std::to_string((size_ >> 20) + 1) +
                                       " MiB of address space: " + std::strerror(errno));
  }
  data_ = static_cast<std::byte*>(p);
  if (mapped) return;
  try {
    read_all(fd, name_, data_, size_);
  } catch (...) {
    munmap(data_, size_);
    throw;
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(access_, other.access_);
  std::swap(name_, other.name_);
  return *this;
}

void MappedFile::release(std::span<const std::byte> part) const {
  if (access_ != FileAccess::kMap || part.empty()) return;
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = (std::bit_cast<std::uintptr_t>(part.data()) + kPage - 1) / kPage * kPage;
  const auto end = std::bit_cast<std::uintptr_t>(part.data() + part.size()) / kPage * kPage;
  if (begin < end) madvise(std::bit_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace linnet::weights
