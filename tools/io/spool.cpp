#include "tools/io/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "tools/cli/signals.h"

namespace linnet::io {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;

// A file without a name, also on file systems that cannot make one in one step.
int open_nameless(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  std::string name = folder + "/linnet.XXXXXX";
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

std::string spool_folder(const std::string& path) {
  if (!path.empty() && path != "-" && !std::filesystem::is_other(path)) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    return folder.empty() ? "." : folder.string();
  }
  const char* given = std::getenv("TMPDIR");
  return given != nullptr && *given != '\0' ? given : P_tmpdir;
}

Spool::Spool(const std::string& folder)
    : file_(open_nameless(folder)), name_("temporary file in " + folder) {
  if (file_.get() < 0) fail(name_, errno);
}

Spool::~Spool() {
  if (mapping_ != nullptr) ::munmap(mapping_, written_);
}

void Spool::add(std::span<const std::byte> bytes) {
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (buffer_.size() >= kBuffer) flush();
}

void Spool::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t n = ::write(file_.get(), rest.data(), rest.size());
    if (n >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(n));
      written_ += static_cast<std::size_t>(n);
    } else if (errno == EINTR) {
      cli::check_interrupt();
    } else {
      fail(name_, errno);
    }
  }
  buffer_.clear();
}

std::span<const std::byte> Spool::all() {
  if (mapping_ == nullptr) {
    // What fits into the buffer never saw the file.
    if (written_ == 0) return std::as_bytes(std::span(buffer_));
    flush();
    void* mapping = ::mmap(nullptr, written_, PROT_READ, MAP_SHARED, file_.get(), 0);
    if (mapping == MAP_FAILED) fail(name_, errno);
    mapping_ = mapping;
  }
  return {static_cast<const std::byte*>(mapping_), written_};
}

}  // namespace linnet::io
