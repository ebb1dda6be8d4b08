#include "weights/manifest_layers.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "weights/base/text.h"

namespace linnet::weights {
namespace {

constexpr std::array<const char*, 3> kFormats{"i8_packed", "i8_rows", "i4_packed"};
constexpr std::int64_t kMostRows = std::int64_t{1} << 31;
constexpr std::int64_t kMostColumns = 65536;  // exact sums in 32 bits: kernels::kMaxKS8

void write_strings(json::Writer& out, const std::vector<std::string>& list) {
  out.begin_array();
  for (const std::string& one : list) out.string(one);
  out.end_array();
}

std::vector<std::string> read_strings(json::Value value) {
  std::vector<std::string> list;
  for (const json::Value one : value.elements()) list.emplace_back(one.string());
  return list;
}

LayerFormat read_format(json::Value value) {
  const auto at = std::find(kFormats.begin(), kFormats.end(), value.string());
  if (at == kFormats.end()) {
    value.fail("unknown number format " + quote(value.string()) +
               ", expected \"i8_packed\", \"i8_rows\" or \"i4_packed\"");
  }
  return static_cast<LayerFormat>(at - kFormats.begin());
}

// n and thirds must fit the columns, or the rotation is none: see kernels::RowTransform.
void read_rotation(json::Value value, ManifestLayer& layer) {
  layer.n = static_cast<std::int32_t>(value.at("n").integer(1, 32));
  layer.thirds = value.at("thirds").boolean();
  layer.in_lane = value.at("in_lane").boolean();
  const std::int64_t blocks = (layer.K + 63) / 64 * 4;  // of 16 columns, of the padded row
  const bool power_of_two = (layer.n & (layer.n - 1)) == 0;
  if (!power_of_two || blocks % layer.n != 0) {
    value.at("n").fail("found " + std::to_string(layer.n) +
                       ", expected a power of two up to 32 that divides " + std::to_string(blocks));
  }
  if (layer.thirds && blocks / layer.n % 3 != 0) {
    value.at("thirds").fail("found true, but 3 does not divide " +
                            std::to_string(blocks / layer.n));
  }
}

ManifestLayer read_layer(json::Value value) {
  ManifestLayer layer;
  layer.format = read_format(value.at("format"));
  layer.N = value.at("N").integer(1, kMostRows);
  layer.K = value.at("K").integer(1, kMostColumns);
  layer.of = read_strings(value.at("of"));
  if (layer.of.empty()) value.at("of").fail("is empty");
  if (const auto rotation = value.find_non_null("rotation")) read_rotation(*rotation, layer);
  layer.factors = value.at("input_factors").boolean();
  if (const auto transposed = value.find_non_null("transposed")) {
    layer.transposed = transposed->boolean();
    if (layer.transposed && layer.of.size() != 1) transposed->fail("is for one weight");
  }
  if (layer.format == LayerFormat::kRows &&
      (layer.n != 0 || layer.factors || layer.of.size() != 1)) {
    value.fail("i8_rows has one weight and neither rotation nor factors");
  }
  return layer;
}

}  // namespace

Hash128 hash_of(json::Value value) {
  const auto hash = parse_hash(value.string());
  if (!hash) {
    value.fail("found " + quote(value.string()) + ", expected 32 hexadecimal digits");
  }
  return *hash;
}

void write_layers(json::Writer& out, const ManifestLayers& layers) {
  out.begin_object();
  for (const auto& [name, layer] : layers) {
    out.key(name).begin_object();
    out.key("format").string(kFormats[static_cast<std::size_t>(layer.format)]);
    out.key("N").integer(layer.N).key("K").integer(layer.K).key("of");
    write_strings(out, layer.of);
    out.key("rotation");
    if (layer.n == 0) {
      out.null();
    } else {
      out.begin_object().key("n").integer(layer.n).key("thirds").boolean(layer.thirds);
      out.key("in_lane").boolean(layer.in_lane).end_object();
    }
    out.key("input_factors").boolean(layer.factors);
    if (layer.transposed) out.key("transposed").boolean(true);
    out.end_object();
  }
  out.end_object();
}

void write_quantization(json::Writer& out, const ManifestQuantization& quantization) {
  out.begin_object().key("step").string("quantize").key("scheme").string(quantization.scheme);
  out.key("attention").string(quantization.attention);
  out.key("calibration").string(quantization.calibration);
  out.key("calibration_tokens").integer(quantization.calibration_tokens).key("kept_fp32");
  write_strings(out, quantization.kept_fp32);
  out.end_object();
}

void write_quality(json::Writer& out, const std::vector<ManifestQuality>& quality) {
  out.begin_array();
  for (const ManifestQuality& one : quality) {
    out.begin_object().key("metric").string(one.metric).key("data").string(one.data);
    out.key("xxh3_128").string(text(one.data_hash)).key("rows").integer(one.rows);
    out.key("before").float64(one.before).key("after").float64(one.after).end_object();
  }
  out.end_array();
}

ManifestLayers read_layers(json::Value value) {
  ManifestLayers layers;
  for (const json::Member m : value.members()) {
    layers.emplace(m.key, read_layer(m.value));
  }
  return layers;
}

ManifestQuantization read_quantization(json::Value value) {
  ManifestQuantization q;
  q.scheme = value.at("scheme").string();
  const json::Value attention = value.at("attention");
  q.attention = attention.string();
  if (q.attention != "f32" && q.attention != "i8") {
    attention.fail("found " + quote(q.attention) + ", expected \"f32\" or \"i8\"");
  }
  q.calibration = value.at("calibration").string();
  q.calibration_tokens =
      value.at("calibration_tokens").integer(0, std::numeric_limits<std::int64_t>::max());
  q.kept_fp32 = read_strings(value.at("kept_fp32"));
  return q;
}

std::vector<ManifestQuality> read_quality(json::Value value) {
  std::vector<ManifestQuality> quality;
  for (const json::Value one : value.elements()) {
    ManifestQuality q;
    q.metric = one.at("metric").string();
    q.data = one.at("data").string();
    q.data_hash = hash_of(one.at("xxh3_128"));
    q.rows = one.at("rows").integer(0, std::numeric_limits<std::int64_t>::max());
    q.before = one.at("before").number();
    q.after = one.at("after").number();
    quality.push_back(std::move(q));
  }
  return quality;
}

}  // namespace linnet::weights
