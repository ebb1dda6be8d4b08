#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

#include "weights/base/checked.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"
#include "weights/base/utf8.h"
#include "weights/output.h"
#include "weights/safetensors.h"

namespace linnet::weights {
namespace {

constexpr std::int64_t kLengthBytes = 8;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "safetensors: " + what);
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = utf8_length(text.substr(i));
    if (n == 0) return false;
    i += n;
  }
  return true;
}

// What no reader would take, or would read as something else.
void check_writable(std::span<const TensorHeader> tensors, const Metadata& metadata) {
  for (const auto& [key, value] : metadata) {
    if (!is_utf8(key) || !is_utf8(value)) refuse("metadata " + quote(key) + " is not UTF-8");
  }
  std::set<std::string_view> names;
  for (const TensorHeader& t : tensors) {
    if (!is_utf8(t.name)) refuse("tensor name " + quote(t.name) + " is not UTF-8");
    if (t.name == kMetadataKey) refuse("no tensor may be named " + quote(t.name));
    if (!names.insert(t.name).second) refuse("two tensors are named " + quote(t.name));
    const bool negative = std::any_of(t.shape.begin(), t.shape.end(), [](auto d) { return d < 0; });
    if (negative || !bytes_of(t.dtype, t.shape)) {
      refuse("tensor " + quote(t.name) + " cannot be of " + name(t.dtype) + " " +
             shape_text(t.shape));
    }
  }
}

std::vector<TensorHeader> headers_of(std::span<const TensorToWrite> tensors) {
  std::vector<TensorHeader> headers;
  headers.reserve(tensors.size());
  for (const TensorToWrite& t : tensors) {
    const auto size = static_cast<std::int64_t>(t.bytes.size());
    const bool negative = std::any_of(t.shape.begin(), t.shape.end(), [](auto d) { return d < 0; });
    if (negative || bytes_of(t.dtype, t.shape) != size) {
      refuse("tensor " + quote(t.name) + " has " + std::to_string(size) + " bytes, not those of " +
             name(t.dtype) + " " + shape_text(t.shape));
    }
    headers.push_back({t.name, t.dtype, t.shape});
  }
  return headers;
}

// Holes are forbidden: only when sizes that keep the alignment come first do all of them have it.
std::vector<std::size_t> order_of(std::span<const TensorHeader> tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto rank = [&](std::size_t i) {
    const TensorHeader& t = tensors[i];
    return std::tuple(*bytes_of(t.dtype, t.shape) % 64 != 0, -bits(t.dtype),
                      std::string_view(t.name));
  };
  std::sort(order.begin(), order.end(),
            [&](std::size_t i, std::size_t j) { return rank(i) < rank(j); });
  return order;
}

std::string header_text(std::span<const TensorHeader> tensors, std::span<const std::size_t> order,
                        const Metadata& metadata) {
  json::Writer w;
  w.begin_object();
  if (!metadata.empty()) {
    w.key(kMetadataKey).begin_object();
    for (const auto& [key, value] : metadata) w.key(key).string(value);
    w.end_object();
  }
  std::int64_t offset = 0;
  for (const std::size_t i : order) {
    const TensorHeader& t = tensors[i];
    const auto sum = checked_add(offset, *bytes_of(t.dtype, t.shape));
    if (!sum) refuse("the tensors have more than 2^63 bytes");
    const std::int64_t end = *sum;
    w.key(t.name).begin_object();
    w.key("dtype").string(name(t.dtype));
    w.key("shape").begin_array();
    for (const std::int64_t d : t.shape) w.integer(d);
    w.end_array();
    w.key("data_offsets").begin_array().integer(offset).integer(end).end_array();
    w.end_object();
    offset = end;
  }
  w.end_object();
  return std::move(w).text();
}

}  // namespace

SafetensorsPlan plan_safetensors(std::span<const TensorToWrite> tensors, const Metadata& metadata,
                                 std::int64_t alignment) {
  return plan_headers(headers_of(tensors), metadata, alignment);
}

SafetensorsPlan plan_headers(std::span<const TensorHeader> tensors, const Metadata& metadata,
                             std::int64_t alignment) {
  if (alignment < kLengthBytes || alignment % kLengthBytes != 0) {
    refuse("alignment " + std::to_string(alignment) + ", expected a multiple of 8");
  }
  check_writable(tensors, metadata);
  SafetensorsPlan plan;
  plan.order = order_of(tensors);
  std::string text = header_text(tensors, plan.order, metadata);
  const auto unit = static_cast<std::size_t>(alignment);
  text.resize((text.size() + kLengthBytes + unit - 1) / unit * unit - kLengthBytes, ' ');
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

void write_safetensors(const std::string& path, std::span<const TensorHeader> tensors,
                       const Metadata& metadata, const TensorContent& content,
                       std::int64_t alignment) {
  const SafetensorsPlan plan = plan_headers(tensors, metadata, alignment);
  write_file(path, [&](OutputFile& out) {
    out.write(plan.header.data(), plan.header.size());
    for (const std::size_t i : plan.order) content(i, out);
  });
}

}  // namespace linnet::weights
