#include "tools/io/vector_writer.h"

#include <limits>
#include <utility>
#include <vector>

#include "engine/core/assert.h"
#include "weights/base/json_writer.h"

namespace linnet::io {
namespace {

bool is_binary(VectorFormat format) {
  return format == VectorFormat::kNpy || format == VectorFormat::kSafetensors;
}

void write_array(json::Writer& out, std::span<const float> row) {
  out.begin_array();
  for (const float x : row) out.float32(x);
  out.end_array();
}

void write_array(json::Writer& out, std::span<const std::int8_t> row) {
  out.begin_array();
  for (const std::int8_t x : row) out.integer(x);
  out.end_array();
}

// The bytes of a row that has no vector.
std::vector<std::byte> absent_row(VectorType type, std::int64_t dimensions) {
  const auto n = static_cast<std::size_t>(dimensions);
  if (type == VectorType::kInt8) return std::vector<std::byte>(n);
  const std::vector<float> row(n, std::numeric_limits<float>::quiet_NaN());
  const auto bytes = std::as_bytes(std::span(row));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::optional<VectorFormat> vector_format_of(std::string_view path) {
  if (path.ends_with(".json")) return VectorFormat::kJson;
  if (path.ends_with(".jsonl")) return VectorFormat::kJsonl;
  if (path.ends_with(".npy")) return VectorFormat::kNpy;
  if (path.ends_with(".safetensors")) return VectorFormat::kSafetensors;
  return std::nullopt;
}

std::string npy_header(std::string_view descr, std::int64_t rows, std::int64_t columns) {
  std::string dictionary = "{'descr': '" + std::string(descr) +
                           "', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                           std::to_string(columns) + "), }";
  std::string header("\x93NUMPY\x01\x00", 8);
  constexpr std::size_t kLengthField = 2, kAlignment = 64;
  const std::size_t used = header.size() + kLengthField + dictionary.size() + 1;
  dictionary += std::string((kAlignment - used % kAlignment) % kAlignment, ' ') + "\n";
  header += static_cast<char>(dictionary.size() & 0xFF);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

VectorWriter::VectorWriter(VectorOptions options, Sink sink)
    : options_(std::move(options)), sink_(std::move(sink)) {
  if (is_binary(options_.format)) spool_ = std::make_unique<Spool>(options_.spool_folder);
  if (options_.format == VectorFormat::kJson) {
    json::Writer text;
    text.string(options_.schema);
    sink_("{\"schema\": " + text.text() +
          ", \"dimensions\": " + std::to_string(options_.dimensions) + ", \"embeddings\": [");
  }
}

template <class T>
void VectorWriter::write_json_row(std::span<const T> row) {
  json::Writer out;
  if (options_.format == VectorFormat::kJson) {
    sink_(rows_ == 0 ? "\n" : ",\n");
    write_array(out, row);
    return sink_(out.text());
  }
  out.begin_object().key("index").integer(rows_).key("embedding");
  write_array(out, row);
  sink_(out.end_object().text() + "\n");
}

template <class T>
void VectorWriter::add_row(std::span<const T> row) {
  if (spool_ != nullptr) {
    spool_->add(std::as_bytes(row));
  } else {
    write_json_row(row);
  }
  ++rows_;
}

void VectorWriter::add(std::span<const float> row) {
  LINNET_ASSERT(options_.type == VectorType::kFloat32);
  add_row(row);
}

void VectorWriter::add(std::span<const std::int8_t> row) {
  LINNET_ASSERT(options_.type == VectorType::kInt8);
  add_row(row);
}

void VectorWriter::add_failed(std::string_view error) {
  json::Writer out;
  out.begin_object().key("index").integer(rows_).key("error").string(error).end_object();
  switch (options_.format) {
    case VectorFormat::kJson:
      sink_(rows_ == 0 ? "\nnull" : ",\nnull");
      errors_ += (errors_.empty() ? "" : ", ") + out.text();
      break;
    case VectorFormat::kJsonl:
      sink_(out.text() + "\n");
      break;
    case VectorFormat::kNpy:
    case VectorFormat::kSafetensors:
      spool_->add(absent_row(options_.type, options_.dimensions));
      break;
  }
  ++rows_;
}

void VectorWriter::finish() {
  const bool int8 = options_.type == VectorType::kInt8;
  const auto send = [&](std::span<const std::byte> bytes) {
    sink_({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  if (options_.format == VectorFormat::kJson) {
    sink_("\n], \"errors\": [" + errors_ + "]}\n");
  } else if (options_.format == VectorFormat::kNpy) {
    sink_(npy_header(int8 ? "|i1" : "<f4", rows_, options_.dimensions));
    send(spool_->all());
  } else if (options_.format == VectorFormat::kSafetensors) {
    weights::Metadata metadata = options_.metadata;
    metadata["schema"] = options_.schema;
    const weights::TensorToWrite tensors[] = {{"embeddings",
                                               int8 ? weights::DType::kI8 : weights::DType::kF32,
                                               {rows_, options_.dimensions},
                                               spool_->all()}};
    sink_(weights::plan_safetensors(tensors, metadata).header);
    send(tensors[0].bytes);
  }
}

}  // namespace linnet::io
