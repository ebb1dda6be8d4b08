#include "weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "weights/base/checked.h"
#include "weights/base/error.h"
#include "weights/base/json.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"
#include "weights/output.h"

namespace linnet::weights {
namespace {

constexpr std::int64_t kLengthBytes = 8;

struct Entry {
  std::string_view name;
  DType dtype = DType::kF32;
  std::size_t shape_begin = 0, rank = 0;  // of the vector of all dimensions
  std::int64_t begin = 0, end = 0;        // of the data
};

std::int64_t header_bytes(const MappedFile& file) {
  const auto bytes = file.bytes();
  const auto size = static_cast<std::int64_t>(bytes.size());
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::kFormat, file.name() + ": " + what);
  };
  if (size < kLengthBytes) {
    fail("has " + std::to_string(size) + " bytes, expected at least 8: no safetensors file");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
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

// The size that dtype and shape ask for; nothing where the product overflows.
std::optional<std::int64_t> bytes_of(DType dtype, std::span<const std::int64_t> shape) {
  std::optional<std::int64_t> elements = 1;
  for (const std::int64_t d : shape) {
    elements = checked_mul(*elements, d);
    if (!elements) return std::nullopt;
  }
  const auto total = checked_mul(*elements, bits(dtype));
  return total && *total % 8 == 0 ? std::optional(*total / 8) : std::nullopt;
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
  if (offsets.elements(), offsets.size() != 2) {
    offsets.fail("found " + std::to_string(offsets.size()) + " offsets, expected 2");
  }
  auto offset = offsets.elements().begin();
  entry.begin = (*offset).integer(0, kMost);
  entry.end = (*++offset).integer(0, kMost);

  const std::span shape(shapes.data() + entry.shape_begin, entry.rank);
  const auto wanted = bytes_of(entry.dtype, shape);
  if (!wanted) {
    member.value.fail("shape " + shape_text(shape) + " of " + name(entry.dtype) +
                      " is no whole number of bytes below 2^63");
  }
  if (entry.end < entry.begin || entry.end - entry.begin != *wanted) {
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

void read_metadata(const json::Value& value, Metadata& metadata) {
  for (const json::Member m : value.members()) {
    metadata.emplace(std::string(m.key), std::string(m.value.string()));
  }
}

}  // namespace

std::int64_t TensorView::elements() const {
  return static_cast<std::int64_t>(bytes.size()) * 8 / bits(dtype);
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t d : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(d);
  return text + "]";
}

Safetensors::Safetensors(MappedFile file)
    : file_(std::move(file)),
      names_(std::make_unique<std::string>()),
      shapes_(std::make_unique<std::vector<std::int64_t>>()) {
  const std::int64_t n = header_bytes(file_);
  const auto data = file_.bytes().subspan(static_cast<std::size_t>(kLengthBytes + n));
  const std::string_view header(reinterpret_cast<const char*>(file_.bytes().data()) + kLengthBytes,
                                static_cast<std::size_t>(n));
  const json::Document document = json::parse(header, file_.name() + " header", kMaxHeaderBytes);
  if (document.root().members(), document.root().size() > kMaxTensors) {
    throw Error(ErrorCode::kLimit, file_.name() + ": has " +
                                       std::to_string(document.root().size()) +
                                       " tensors, expected at most " + std::to_string(kMaxTensors));
  }
  std::vector<Entry> entries;
  std::size_t name_bytes = 0;
  for (const json::Member member : document.root().members()) {
    if (member.key == "__metadata__") {
      read_metadata(member.value, metadata_);
      continue;
    }
    entries.push_back(read_entry(member, *shapes_));
    name_bytes += member.key.size();
  }
  check_ranges(entries, static_cast<std::int64_t>(data.size()), file_.name());

  names_->reserve(name_bytes);  // views into it must stay
  tensors_.reserve(entries.size());
  for (const Entry& entry : entries) {
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

const TensorView* Safetensors::find(std::string_view name) const {
  const auto it = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const TensorView& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

SafetensorsPlan plan_safetensors(std::span<const TensorToWrite> tensors, const Metadata& metadata,
                                 std::int64_t alignment) {
  SafetensorsPlan plan;
  plan.order.resize(tensors.size());
  std::iota(plan.order.begin(), plan.order.end(), std::size_t{0});
  // Holes are forbidden: only if sizes that keep the alignment come first do all of them have it.
  const auto keeps = [](const TensorToWrite& t) { return t.bytes.size() % 64 == 0; };
  std::sort(plan.order.begin(), plan.order.end(), [&](std::size_t i, std::size_t j) {
    const TensorToWrite &a = tensors[i], &b = tensors[j];
    if (keeps(a) != keeps(b)) return keeps(a);
    if (bits(a.dtype) != bits(b.dtype)) return bits(a.dtype) > bits(b.dtype);
    return a.name < b.name;
  });

  json::Writer w;
  w.begin_object();
  if (!metadata.empty()) {
    w.key("__metadata__").begin_object();
    for (const auto& [key, value] : metadata) w.key(key).string(value);
    w.end_object();
  }
  std::int64_t offset = 0;
  const TensorToWrite* previous = nullptr;
  for (const std::size_t i : plan.order) {
    const TensorToWrite& t = tensors[i];
    if (previous != nullptr && previous->name == t.name) {
      throw Error(ErrorCode::kInvalidArgument,
                  "safetensors: two tensors are named " + quote(t.name));
    }
    previous = &t;
    const auto size = static_cast<std::int64_t>(t.bytes.size());
    if (bytes_of(t.dtype, t.shape) != size) {
      throw Error(ErrorCode::kInvalidArgument, "safetensors: tensor " + quote(t.name) + " has " +
                                                   std::to_string(size) + " bytes, its shape " +
                                                   shape_text(t.shape) + " another number");
    }
    w.key(t.name).begin_object();
    w.key("dtype").string(name(t.dtype));
    w.key("shape").begin_array();
    for (const std::int64_t d : t.shape) w.integer(d);
    w.end_array();
    w.key("data_offsets").begin_array().integer(offset).integer(offset + size).end_array();
    w.end_object();
    offset += size;
  }
  w.end_object();
  std::string text = std::move(w).text();
  const std::size_t unit = static_cast<std::size_t>(alignment);
  const std::size_t total = (text.size() + kLengthBytes + unit - 1) / unit * unit;
  text.resize(total - kLengthBytes, ' ');
  if (static_cast<std::int64_t>(text.size()) > kMaxHeaderBytes) {
    throw Error(ErrorCode::kLimit, "safetensors: a header of " + std::to_string(text.size()) +
                                       " bytes, expected at most " +
                                       std::to_string(kMaxHeaderBytes));
  }
  const std::uint64_t length = text.size();
  plan.header.assign(reinterpret_cast<const char*>(&length), sizeof length);
  plan.header += text;
  return plan;
}

void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                       const Metadata& metadata, std::int64_t alignment) {
  const SafetensorsPlan plan = plan_safetensors(tensors, metadata, alignment);
  write_file(path, [&](OutputFile& out) {
    out.write(plan.header.data(), plan.header.size());
    for (const std::size_t i : plan.order) {
      out.write(tensors[i].bytes.data(), tensors[i].bytes.size());
    }
  });
}

}  // namespace linnet::weights
