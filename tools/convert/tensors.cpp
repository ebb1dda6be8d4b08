#include "tools/convert/tensors.h"

#include <algorithm>
#include <cstring>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/number_formats.h"

namespace linnet::tools {
namespace {

using weights::DType;

constexpr std::int64_t kPieceElements = 1 << 16;

[[noreturn]] void not_finite(const Transfer& what, std::int64_t element, const char* problem) {
  throw Error(ErrorCode::kNumeric, "tensor " + quote(what.from.name) + ": element " +
                                       std::to_string(element) + " " + problem);
}

void check_finite(const Transfer& what, std::int64_t done, const std::byte* from,
                  const std::byte* to, std::int64_t n, NonFinite non_finite) {
  const std::int64_t bad = weights::first_not_finite(from, what.from.dtype, n);
  if (bad >= 0 && non_finite == NonFinite::kRefuse) {
    not_finite(what, done + bad, "is not finite; --allow-nonfinite takes it as it is");
  }
  const std::int64_t size = weights::bits(what.from.dtype) / 8;
  for (std::int64_t at = 0; at < n;) {
    const std::int64_t to_size = weights::bits(what.to.dtype) / 8;
    const std::int64_t next = weights::first_not_finite(to + at * to_size, what.to.dtype, n - at);
    if (next < 0) return;
    at += next;
    if (weights::first_not_finite(from + at * size, what.from.dtype, 1) < 0) {
      not_finite(what, done + at,
                 (std::string("is too large for ") + weights::name(what.to.dtype)).c_str());
    }
    ++at;
  }
}

// Elements that are others after a way there and back.
std::int64_t count_rounded(const Transfer& what, const std::byte* from, const std::byte* to,
                           std::int64_t n, std::vector<std::byte>& back) {
  if (what.from.dtype == what.to.dtype) return 0;
  const auto size = static_cast<std::size_t>(weights::bits(what.from.dtype) / 8);
  back.resize(static_cast<std::size_t>(n) * size);
  weights::convert(back.data(), what.from.dtype, to, what.to.dtype, n);
  if (std::memcmp(back.data(), from, back.size()) == 0) return 0;
  std::int64_t rounded = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    if (std::memcmp(back.data() + i * size, from + i * size, size) != 0) ++rounded;
  }
  return rounded;
}

}  // namespace

std::int64_t transfer(const Transfer& what, NonFinite non_finite, const Piece& piece) {
  if (!weights::is_float(what.from.dtype)) {
    piece(what.from.bytes);
    return 0;
  }
  const std::int64_t n = what.from.elements();
  const std::int64_t from_size = weights::bits(what.from.dtype) / 8;
  const std::int64_t to_size = weights::bits(what.to.dtype) / 8;
  std::vector<std::byte> converted, back;
  std::int64_t rounded = 0;
  for (std::int64_t done = 0; done < n; done += kPieceElements) {
    const std::int64_t m = std::min(kPieceElements, n - done);
    const std::byte* const from = what.from.bytes.data() + done * from_size;
    converted.resize(static_cast<std::size_t>(m * to_size));
    weights::convert(converted.data(), what.to.dtype, from, what.from.dtype, m);
    check_finite(what, done, from, converted.data(), m, non_finite);
    rounded += count_rounded(what, from, converted.data(), m, back);
    piece(converted);
  }
  return rounded;
}

void compare(const Transfer& what, const weights::TensorView& written) {
  const bool same_kind =
      written.dtype == what.to.dtype && std::equal(written.shape.begin(), written.shape.end(),
                                                   what.to.shape.begin(), what.to.shape.end());
  std::size_t at = 0;
  bool same = same_kind;
  if (same) {
    transfer(what, NonFinite::kAllow, [&](std::span<const std::byte> piece) {
      same = same && at + piece.size() <= written.bytes.size() &&
             std::equal(piece.begin(), piece.end(),
                        written.bytes.begin() + static_cast<std::ptrdiff_t>(at));
      at += piece.size();
    });
  }
  if (!same || at != written.bytes.size()) {
    throw Error(ErrorCode::kFormat,
                "tensor " + quote(written.name) + " is not what was written: a faulty disk?");
  }
}

}  // namespace linnet::tools
