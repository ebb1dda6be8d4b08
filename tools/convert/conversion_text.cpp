#include <algorithm>

#include "tools/convert/convert.h"
#include "tools/inspect/inspection.h"
#include "tools/io/table.h"
#include "weights/base/json_writer.h"
#include "weights/safetensors.h"

namespace linnet::tools {
namespace {

using weights::Fate;
using weights::Kept;
using weights::ManifestTensor;

// What became of the tensors, in numbers.
struct Counts {
  std::int64_t used = 0, unused = 0, buffers = 0, unexpected = 0;
  std::int64_t stored = 0, tied = 0, constant = 0, renamed = 0, converted = 0, rounded = 0;
};

Counts count(const weights::Manifest& manifest) {
  Counts c;
  for (const auto& [name, tensor] : manifest.tensors) {
    c.used += tensor.fate == Fate::kUsed;
    c.unused += tensor.fate == Fate::kUnused;
    c.buffers += tensor.fate == Fate::kBuffer;
    c.unexpected += tensor.fate == Fate::kUnexpected;
    c.stored += tensor.kept == Kept::kStored;
    c.tied += tensor.kept == Kept::kTied;
    c.constant += tensor.kept == Kept::kConstant;
    c.renamed += tensor.original != name;
    c.converted += tensor.kept == Kept::kStored && tensor.stored != tensor.dtype;
    c.rounded += tensor.rounded > 0;
  }
  return c;
}

std::string outcome(const std::string& name, const ManifestTensor& tensor) {
  if (tensor.kept == Kept::kConstant) return "dropped: follows from its name and shape";
  if (tensor.kept == Kept::kTied) return "tied to " + tensor.tied_to;
  return name == tensor.original ? "same name" : "now " + name;
}

std::string type_text(const ManifestTensor& tensor) {
  std::string text = weights::name(tensor.dtype);
  if (tensor.kept == Kept::kStored && tensor.stored != tensor.dtype) {
    text += std::string(" to ") + weights::name(tensor.stored);
    if (tensor.rounded > 0) text += ", " + std::to_string(tensor.rounded) + " rounded";
  }
  return text;
}

std::string plural(std::int64_t n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

void write_files(json::Writer& out, const char* key,
                 const std::vector<weights::ManifestFile>& files) {
  out.key(key).begin_array();
  for (const weights::ManifestFile& file : files) {
    out.begin_object().key("name").string(file.name).key("bytes").integer(file.bytes);
    out.key("xxh3_128").string(text(file.hash)).end_object();
  }
  out.end_array();
}

void write_texts(json::Writer& out, const char* key, const std::vector<std::string>& texts) {
  out.key(key).begin_array();
  for (const std::string& text : texts) out.string(text);
  out.end_array();
}

}  // namespace

std::string conversion_text(const Conversion& conversion) {
  const weights::Manifest& manifest = conversion.manifest;
  io::Table table(
      {{"tensor"}, {"shape", io::Table::Align::kRight}, {"type"}, {"fate"}, {"becomes"}});
  std::vector<std::pair<std::string, std::string>> order;  // original name, ours
  for (const auto& [name, tensor] : manifest.tensors) order.emplace_back(tensor.original, name);
  std::sort(order.begin(), order.end());
  for (const auto& [original, name] : order) {
    const ManifestTensor& tensor = manifest.tensors.at(name);
    table.add({original, weights::shape_text(tensor.shape), type_text(tensor),
               tools::name(tensor.fate), outcome(name, tensor)});
  }
  const Counts c = count(manifest);
  std::string out = table.text() + "\n";
  out += plural(static_cast<std::int64_t>(manifest.tensors.size()), "tensor") + ": " +
         std::to_string(c.used) + " used, " + std::to_string(c.unused) + " unused and kept, " +
         plural(c.buffers, "buffer") + ", " + std::to_string(c.unexpected) +
         " unexpected and kept, 0 missing, 0 lost\n";
  out += std::to_string(c.stored) + " stored, " + std::to_string(c.tied) + " tied, " +
         std::to_string(c.constant) + " dropped as constants; " + std::to_string(c.renamed) +
         " renamed, " + std::to_string(c.converted) + " converted, " + std::to_string(c.rounded) +
         " of them rounded\n";
  std::string files;
  for (const weights::ManifestFile& file : manifest.files) files += " " + io::harmless(file.name);
  out += "written:" + files + " " + weights::kManifestFile + "\n";
  std::string rest;
  for (const std::string& name : conversion.not_copied) rest += " " + io::harmless(name);
  if (!rest.empty()) out += "not copied:" + rest + "\n";
  if (conversion.verified == Verify::kYes) out += "verified: every tensor, every file\n";
  return out;
}

std::string conversion_json(const Conversion& conversion) {
  const weights::Manifest& manifest = conversion.manifest;
  const Counts c = count(manifest);
  json::Writer out;
  out.begin_object().key("schema").string("linnet.convert.1");
  out.key("model").begin_object().key("type").string(manifest.model_type);
  out.key("head").string(manifest.head).end_object();
  out.key("dtype");
  manifest.dtype.empty() ? out.null() : out.string(manifest.dtype);
  out.key("account").begin_object().key("used").integer(c.used).key("unused").integer(c.unused);
  out.key("buffers").integer(c.buffers).key("unexpected").integer(c.unexpected);
  out.key("missing").integer(0).key("stored").integer(c.stored).key("tied").integer(c.tied);
  out.key("constant").integer(c.constant).key("renamed").integer(c.renamed);
  out.key("converted").integer(c.converted).key("rounded").integer(c.rounded).end_object();
  out.key("tensors").begin_array();
  for (const auto& [name, tensor] : manifest.tensors) {
    out.begin_object().key("name").string(name).key("original").string(tensor.original);
    out.key("dtype").string(weights::name(tensor.dtype)).key("shape").begin_array();
    for (const std::int64_t d : tensor.shape) out.integer(d);
    out.end_array().key("fate").string(tools::name(tensor.fate));
    out.key("stored_dtype");
    tensor.kept == Kept::kStored ? out.string(weights::name(tensor.stored)) : out.null();
    out.key("tied_to");
    tensor.kept == Kept::kTied ? out.string(tensor.tied_to) : out.null();
    out.key("rounded_elements").integer(tensor.rounded).end_object();
  }
  out.end_array();
  write_files(out, "source", manifest.source);
  write_files(out, "files", manifest.files);
  write_texts(out, "not_copied", conversion.not_copied);
  write_texts(out, "warnings", conversion.warnings);
  out.key("bytes_read").integer(conversion.bytes_read);
  out.key("bytes_written").integer(conversion.bytes_written);
  out.key("verified").boolean(conversion.verified == Verify::kYes);
  return std::move(out.end_object()).text() + "\n";
}

}  // namespace linnet::tools
