#include "weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "weights/base/checked.h"
#include "weights/base/error.h"
#include "weights/base/json.h"
#include "weights/base/text.h"

namespace linnet::weights {
namespace {

constexpr std::int64_t kLengthBytes = 8;

struct Entry {
  std::string_view name;
  DType dtype = DType::kF32;
  std::size_t shape_begin = 0, rank = 0;  // of the vector of all dimensions
  std::int64_t begin = 0, end = 0;        // of the data
};

// Bytes of the JSON, from the length before it and the size of the file.
std::int64_t header_bytes(std::span<const std::byte> front, std::int64_t size,
                          const std::string& file) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::kFormat, file + ": " + what);
  };
  if (size < kLengthBytes) {
    fail("has " + std::to_string(size) + " bytes, expected at least 8: no safetensors file");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, front.data(), sizeof length);
  if (length > static_cast<std::uint64_t>(kMaxHeaderBytes)) {
    fail("header length " + std::to_string(length) + ", expected at most " +
         std::to_string(kMaxHeaderBytes));
  }
  const auto n = static_cast<std::int64_t>(length);
  if (n > size - kLengthBytes) {
    fail("header of " + std::to_string(n) + " bytes reaches beyond the file of " +
         std::to_string(size) + " bytes");
  }
  return n;
}

Entry read_entry(const json::Member& member, std::vector<std::int64_t>& shapes) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  Entry entry;
  entry.name = member.key;
  const json::Value dtype = member.value.at("dtype");
  const auto parsed = parse_dtype(dtype.string());
  if (!parsed) dtype.fail("unknown dtype " + quote(dtype.string()));
  entry.dtype = *parsed;
  entry.shape_begin = shapes.size();
  for (const json::Value d : member.value.at("shape").elements())
    shapes.push_back(d.integer(0, kMost));
  entry.rank = shapes.size() - entry.shape_begin;
  const json::Value offsets = member.value.at("data_offsets");
  auto offset = offsets.elements().begin();
  if (offsets.size() != 2) {
    offsets.fail("found " + std::to_string(offsets.size()) + " offsets, expected 2");
  }
  entry.begin = (*offset).integer(0, kMost);
  entry.end = (*++offset).integer(0, kMost);

  const std::span shape(shapes.data() + entry.shape_begin, entry.rank);
  const auto wanted = bytes_of(entry.dtype, shape);
  if (!wanted) {
    member.value.fail("shape " + shape_text(shape) + " of " + name(entry.dtype) +
                      " is no whole number of bytes below 2^63");
  }
  if (entry.end - entry.begin != *wanted) {  // neither is negative
    member.value.fail("data_offsets [" + std::to_string(entry.begin) + ", " +
                      std::to_string(entry.end) + "], expected a range of " +
                      std::to_string(*wanted) + " bytes for " + name(entry.dtype) + " " +
                      shape_text(shape));
  }
  return entry;
}

// In the order of their data, tensors follow each other from 0 to the end of the file.
void check_ranges(std::vector<Entry>& entries, std::int64_t data_bytes, const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::kFormat, file + ": " + what);
  };
  std::int64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != expected) {
      fail("tensor " + quote(entry.name) + " begins at byte " + std::to_string(entry.begin) +
           " of the data, expected " + std::to_string(expected) +
           (entry.begin < expected ? ": it overlaps another" : ": there is a hole"));
    }
    expected = entry.end;
  }
  if (expected > data_bytes) {
    fail("has " + std::to_string(data_bytes) + " bytes of data, the header tells of " +
         std::to_string(expected));
  }
  if (expected < data_bytes) fail(std::to_string(data_bytes - expected) + " trailing bytes");
}

// What a header tells; names are those of the document.
struct Header {
  json::Document document;
  std::int64_t data_begin;
  std::vector<Entry> entries;  // in the order of their data
  std::vector<std::int64_t> shapes;
};

// `front` is the beginning of a file of `size` bytes, at least up to the end of the header.
Header read_header(std::span<const std::byte> front, std::int64_t size, const std::string& file) {
  const std::int64_t n = header_bytes(front, size, file);
  if (n > static_cast<std::int64_t>(front.size()) - kLengthBytes) {
    throw Error(ErrorCode::kIo, file + ": changed while it was read");
  }
  const std::string_view text(reinterpret_cast<const char*>(front.data()) + kLengthBytes,
                              static_cast<std::size_t>(n));
  Header header{json::parse(text, file + " header", kMaxHeaderBytes), kLengthBytes + n, {}, {}};
  for (const json::Member member : header.document.root().members()) {
    if (member.key == kMetadataKey) continue;
    if (static_cast<std::int64_t>(header.entries.size()) == kMaxTensors) {
      throw Error(ErrorCode::kLimit,
                  file + ": has more than " + std::to_string(kMaxTensors) + " tensors");
    }
    header.entries.push_back(read_entry(member, header.shapes));
  }
  check_ranges(header.entries, size - header.data_begin, file);
  return header;
}

}  // namespace

std::int64_t TensorView::elements() const {
  return static_cast<std::int64_t>(bytes.size()) * 8 / bits(dtype);
}

std::optional<std::int64_t> bytes_of(DType dtype, std::span<const std::int64_t> shape) {
  std::optional<std::int64_t> elements = 1;
  for (const std::int64_t d : shape) {
    elements = checked_mul(*elements, d);
    if (!elements) return std::nullopt;
  }
  const auto total = checked_mul(*elements, bits(dtype));
  return total && *total % 8 == 0 ? std::optional(*total / 8) : std::nullopt;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  constexpr std::size_t kMost = 16;
  std::string text = "[";
  for (const std::int64_t d : shape.first(std::min(shape.size(), kMost))) {
    text.append(text.size() > 1 ? ", " : "").append(std::to_string(d));
  }
  return text.append(shape.size() > kMost ? ", …]" : "]");
}

Safetensors::Safetensors(MappedFile file)
    : file_(std::move(file)),
      names_(std::make_unique<std::string>()),
      shapes_(std::make_unique<std::vector<std::int64_t>>()) {
  const auto size = static_cast<std::int64_t>(file_.bytes().size());
  Header header = read_header(file_.bytes(), size, file_.name());
  if (const auto metadata = header.document.root().find(kMetadataKey)) {
    for (const json::Member m : metadata->members()) metadata_.emplace(m.key, m.value.string());
  }
  *shapes_ = std::move(header.shapes);
  std::size_t name_bytes = 0;
  for (const Entry& entry : header.entries) name_bytes += entry.name.size();
  names_->reserve(name_bytes);  // views into it must stay
  tensors_.reserve(header.entries.size());
  const auto data = file_.bytes().subspan(static_cast<std::size_t>(header.data_begin));
  for (const Entry& entry : header.entries) {
    const std::size_t at = names_->size();
    *names_ += entry.name;
    tensors_.push_back({std::string_view(*names_).substr(at),
                        entry.dtype,
                        {shapes_->data() + entry.shape_begin, entry.rank},
                        data.subspan(static_cast<std::size_t>(entry.begin),
                                     static_cast<std::size_t>(entry.end - entry.begin))});
  }
  std::sort(tensors_.begin(), tensors_.end(),
            [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
}

std::optional<Safetensors> open_safetensors(const Directory& directory, std::string_view name,
                                            FileAccess access) {
  if (access == FileAccess::kRead) {
    // All of it is read only when its header is right.
    const std::string file = directory.name_of(name);
    const auto length = directory.read_front(name, kLengthBytes);
    if (!length) return std::nullopt;
    const std::int64_t n =
        header_bytes(std::as_bytes(std::span(length->bytes)), length->file_bytes, file);
    const auto front = directory.read_front(name, kLengthBytes + n);
    if (!front) return std::nullopt;
    read_header(std::as_bytes(std::span(front->bytes)), front->file_bytes, file);
  }
  auto file = directory.open(name, access);
  if (!file) return std::nullopt;
  return Safetensors(std::move(*file));
}

const TensorView* Safetensors::find(std::string_view name) const {
  const auto it = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const TensorView& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

}  // namespace linnet::weights
