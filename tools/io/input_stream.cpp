#include "tools/io/input_stream.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "weights/base/error.h"

namespace linnet::io {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 16;

[[noreturn]] void damaged(const std::string& name, const char* reason) {
  throw Error(ErrorCode::kFormat, name + ": damaged compressed data: " + reason);
}

}  // namespace

// Turns compressed bytes into plain ones.
class InputStream::Decoder {
 public:
  struct Step {
    std::size_t used, made;
  };
  virtual ~Decoder() = default;
  /// Takes from `in` what it can and fills `out` as far as it can.
  virtual Step decode(std::string_view in, char* out, std::size_t room) = 0;
  /// True between two parts: the data may end here.
  virtual bool complete() const = 0;
};

namespace {

class Gzip : public InputStream::Decoder {
 public:
  explicit Gzip(const std::string& name) : name_(name) {
    if (::inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { ::inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  Step decode(std::string_view in, char* out, std::size_t room) override {
    if (std::exchange(complete_, false)) ::inflateReset(&stream_);
    // zlib does not write to its input.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(std::min(in.size(), kBlock));
    const std::size_t offered = stream_.avail_in;
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(std::min(room, kBlock));
    const std::size_t asked = stream_.avail_out;
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      complete_ = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      damaged(name_, stream_.msg != nullptr ? stream_.msg : "gzip");
    }
    return {offered - stream_.avail_in, asked - stream_.avail_out};
  }
  bool complete() const override { return complete_; }

 private:
  static constexpr int kGzipOnly = 16 + MAX_WBITS;
  z_stream stream_{};
  const std::string& name_;
  bool complete_ = false;
};

class Zstd : public InputStream::Decoder {
 public:
  explicit Zstd(const std::string& name) : stream_(::ZSTD_createDStream()), name_(name) {
    if (stream_ == nullptr) throw std::bad_alloc();
  }
  ~Zstd() override { ::ZSTD_freeDStream(stream_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  Step decode(std::string_view in, char* out, std::size_t room) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out, room, 0};
    const std::size_t result = ::ZSTD_decompressStream(stream_, &to, &from);
    if (::ZSTD_isError(result) != 0) damaged(name_, ::ZSTD_getErrorName(result));
    complete_ = result == 0;
    return {from.pos, to.pos};
  }
  bool complete() const override { return complete_; }

 private:
  ZSTD_DStream* stream_;
  const std::string& name_;
  bool complete_ = false;
};

}  // namespace

InputStream::InputStream(const std::string& path)
    : file_(open_input(path)), name_(input_name(path)) {
  struct stat status {};
  if (::fstat(file_.get(), &status) == 0 && S_ISREG(status.st_mode)) size_ = status.st_size;
}

double InputStream::fraction() const {
  const off_t at = size_ > 0 ? ::lseek(file_.get(), 0, SEEK_CUR) : -1;
  return at < 0 ? -1 : static_cast<double>(at) / static_cast<double>(size_);
}

InputStream::~InputStream() = default;

void InputStream::begin() {
  raw_.resize(kBlock);
  constexpr std::size_t kMagic = 4;
  while (end_ < kMagic) {
    const std::size_t n = read_some(file_.get(), raw_.data() + end_, kBlock - end_, name_);
    if (n == 0) break;
    end_ += n;
  }
  const std::string_view front = std::string_view(raw_).substr(0, end_);
  if (front.substr(0, 2) == "\x1F\x8B") decoder_ = std::make_unique<Gzip>(name_);
  if (front.substr(0, 4) == "\x28\xB5\x2F\xFD") decoder_ = std::make_unique<Zstd>(name_);
}

std::size_t InputStream::read_raw(char* to, std::size_t bytes) {
  if (begin_ == end_) return read_some(file_.get(), to, bytes, name_);
  const std::size_t n = std::min(bytes, end_ - begin_);
  std::memcpy(to, raw_.data() + begin_, n);
  begin_ += n;
  return n;
}

std::size_t InputStream::read(char* to, std::size_t bytes) {
  if (!std::exchange(started_, true)) begin();
  if (decoder_ == nullptr) return read_raw(to, bytes);
  bool at_end = false;
  while (true) {
    if (begin_ == end_ && !at_end) {
      begin_ = 0;
      end_ = read_some(file_.get(), raw_.data(), kBlock, name_);
      at_end = end_ == 0;
    }
    if (at_end && decoder_->complete()) return 0;
    const auto step =
        decoder_->decode(std::string_view(raw_).substr(begin_, end_ - begin_), to, bytes);
    begin_ += step.used;
    given_ += static_cast<std::int64_t>(step.made);
    if (given_ > kMaxDecompressedBytes) {
      throw Error(ErrorCode::kLimit, name_ + ": has more than " +
                                         std::to_string(kMaxDecompressedBytes) +
                                         " bytes when decompressed");
    }
    if (step.made > 0) return step.made;
    if (at_end) damaged(name_, "it ends in the middle");
  }
}

}  // namespace linnet::io
