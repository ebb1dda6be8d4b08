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
  std::string out = table.text() + "\nscheme " + manifest.quantization->scheme + ", attention in " +
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
  out.end_object();
  return out.text() + "\n";
}

}  // namespace linnet::tools
