#include <array>
#include <cstdio>

#include "tools/convert/quantize.h"
#include "tools/io/table.h"
#include "weights/base/json_writer.h"
#include "weights/safetensors.h"

namespace linnet::tools {
namespace {

std::string rotation_text(const weights::ManifestLayer& layer) {
  if (layer.n == 0) return layer.factors ? "factors" : "";
  std::string text = layer.factors ? "factors, rotation " : "rotation ";
  text += std::to_string(layer.n);
  if (layer.thirds) text += " and thirds";
  if (layer.in_lane) text += " and in lanes";
  return text;
}

std::string megabytes(std::int64_t bytes) {
  const std::int64_t tenths = (bytes + 50'000) / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MB";
}

std::string fixed(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

// A row for each layer, a column for each step.
std::string report_text(const std::vector<compress::StepQuality>& report) {
  using Align = io::Table::Align;
  std::vector<io::Table::Column> columns{{"signal to noise, dB"}};
  for (const compress::StepQuality& step : report) columns.push_back({step.step, Align::kRight});
  io::Table table(columns);
  const auto add = [&](std::string name, const auto& cell) {
    std::vector<std::string> cells{std::move(name)};
    for (const compress::StepQuality& step : report) cells.push_back(cell(step));
    table.add(std::move(cells));
  };
  for (std::size_t i = 0; i < report.front().layers.size(); ++i) {
    const compress::LayerQuality& layer = report.front().layers[i];
    add(std::to_string(layer.block) + "." + layer.layer,
        [&](const compress::StepQuality& step) { return fixed(step.layers[i].snr_db, 1); });
  }
  add("mean cosine of the output",
      [](const compress::StepQuality& step) { return fixed(step.mean_cosine, 6); });
  add("least cosine of the output",
      [](const compress::StepQuality& step) { return fixed(step.least_cosine, 6); });
  return "\n" + table.text();
}

std::string quality_text(const std::vector<weights::ManifestQuality>& quality) {
  io::Table table({{"score"},
                   {"before", io::Table::Align::kRight},
                   {"after", io::Table::Align::kRight},
                   {"records", io::Table::Align::kRight}});
  for (const weights::ManifestQuality& one : quality) {
    table.add({one.metric, fixed(one.before, 6), fixed(one.after, 6), std::to_string(one.rows)});
  }
  return "\n" + table.text();
}

void write_report(json::Writer& out, const std::vector<compress::StepQuality>& report) {
  out.begin_array();
  for (const compress::StepQuality& step : report) {
    out.begin_object().key("step").string(step.step);
    out.key("mean_cosine").float64(step.mean_cosine).key("least_cosine");
    out.float64(step.least_cosine).key("layers").begin_array();
    for (const compress::LayerQuality& layer : step.layers) {
      out.begin_object().key("block").integer(layer.block).key("layer").string(layer.layer);
      out.key("snr_db").float64(layer.snr_db).end_object();
    }
    out.end_array().end_object();
  }
  out.end_array();
}

}  // namespace

std::string quantization_text(const Quantization& quantization) {
  const weights::Manifest& manifest = quantization.manifest;
  io::Table table({{"layer"}, {"shape", io::Table::Align::kRight}, {"inputs"}});
  for (const auto& [name, layer] : manifest.layers) {
    const std::int64_t shape[] = {layer.N, layer.K};
    table.add({name, weights::shape_text(shape), rotation_text(layer)});
  }
  for (const std::string& kept : manifest.quantization->kept_fp32) {
    table.add({kept, "", "kept in FP32"});
  }
  std::string out = table.text();
  if (!quantization.report.empty()) out += report_text(quantization.report);
  if (!manifest.quality.empty()) out += quality_text(manifest.quality);
  out += "\nscheme " + manifest.quantization->scheme + ", attention in " +
         manifest.quantization->attention;
  if (!manifest.quantization->calibration.empty()) {
    out += ", calibrated with " + std::to_string(manifest.quantization->calibration_tokens) +
           " tokens of " + manifest.quantization->calibration;
  }
  out += "\n" + megabytes(quantization.bytes_before) + " of weights became " +
         megabytes(quantization.bytes_after) + "\nwritten:";
  for (const weights::ManifestFile& file : manifest.files) out += " " + file.name;
  return out + " linnet.json\n";
}

std::string quantization_json(const Quantization& quantization) {
  const weights::Manifest& manifest = quantization.manifest;
  json::Writer out;
  out.begin_object().key("schema").string("linnet.quantize.1");
  out.key("quantization");
  write_quantization(out, *manifest.quantization);
  out.key("bytes_before").integer(quantization.bytes_before);
  out.key("bytes_after").integer(quantization.bytes_after).key("layers");
  write_layers(out, manifest.layers);
  out.key("quality");
  write_quality(out, manifest.quality);
  out.key("report");
  write_report(out, quantization.report);
  out.end_object();
  return out.text() + "\n";
}

}  // namespace linnet::tools
