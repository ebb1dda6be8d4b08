#include "tools/embed/precision_writer.h"

#include <cstring>

namespace linnet::commands {
namespace {

io::VectorOptions with_precision(io::VectorOptions options, VectorPrecision precision,
                                 std::int64_t width) {
  options.dimensions = stored_values(precision, width);
  if (precision == VectorPrecision::kFloat32) return options;
  options.metadata["precision"] = std::string(name(precision));
  options.type = io::VectorType::kInt8;
  return options;
}

}  // namespace

PrecisionWriter::PrecisionWriter(io::VectorOptions options, VectorPrecision precision,
                                 std::int64_t width, ValueRanges ranges, io::Sink sink)
    : precision_(precision),
      ranges_(std::move(ranges)),
      waiting_(precision == VectorPrecision::kInt8 && ranges_.empty()
                   ? std::make_unique<io::Spool>(options.spool_folder)
                   : nullptr),
      packed_(static_cast<std::size_t>(stored_values(precision, width))),
      width_(width),
      writer_(with_precision(std::move(options), precision, width), std::move(sink)) {}

std::string PrecisionWriter::refusal(VectorPrecision precision, std::span<const float> row) {
  if (precision == VectorPrecision::kFloat32 || all_finite(row)) return "";
  return "the embedding has a value that is not finite, which " + std::string(name(precision)) +
         " cannot hold";
}

void PrecisionWriter::write(std::span<const float> row) {
  if (precision_ == VectorPrecision::kFloat32) return writer_.add(row);
  if (precision_ == VectorPrecision::kInt8) {
    quantize_int8(packed_, row, ranges_);
  } else {
    quantize_binary(packed_, row);
  }
  writer_.add(std::span<const std::int8_t>(packed_));
}

void PrecisionWriter::add(std::span<const float> row) {
  ++rows_;
  if (waiting_ == nullptr) return write(row);
  ranges_.include(row);
  ++calibrated_rows_;
  waiting_->add(std::as_bytes(row));
}

void PrecisionWriter::add_failed(std::string_view error) {
  ++rows_;
  if (waiting_ == nullptr) return writer_.add_failed(error);
  failed_.emplace_back(rows_ - 1, error);
}

void PrecisionWriter::finish() {
  if (waiting_ != nullptr) {
    std::span<const std::byte> bytes = waiting_->all();
    std::vector<float> row(static_cast<std::size_t>(width_));
    std::size_t next_failed = 0;
    for (std::int64_t i = 0; i < rows_; ++i) {
      if (next_failed < failed_.size() && failed_[next_failed].first == i) {
        writer_.add_failed(failed_[next_failed++].second);
        continue;
      }
      const std::size_t size = row.size() * sizeof(float);
      std::memcpy(row.data(), bytes.data(), size);
      bytes = bytes.subspan(size);
      write(row);
    }
  }
  writer_.finish();
}

}  // namespace linnet::commands
