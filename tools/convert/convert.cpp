#include "tools/convert/convert.h"

#include "tools/convert/files.h"
#include "tools/convert/plan.h"
#include "tools/convert/tensors.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"
#include "weights/name_map.h"
#include "weights/number_formats.h"

namespace linnet::tools {
namespace {

using weights::Checkpoint;
using weights::ManifestFile;
using weights::ManifestTensor;
using weights::TensorView;

void write_tensors(const Checkpoint& checkpoint, const std::vector<Transfer>& list,
                   const std::string& path, NonFinite non_finite, Conversion& result) {
  std::vector<weights::TensorHeader> headers;
  for (const Transfer& one : list) headers.push_back(one.to);
  // transformers wants to be told the framework.
  const weights::Metadata metadata{{"format", "pt"}};
  weights::write_safetensors(path, headers, metadata, [&](std::size_t i, weights::OutputFile& out) {
    const Transfer& one = list[i];
    ManifestTensor& tensor = result.manifest.tensors.at(one.to.name);
    tensor.rounded = transfer(one, non_finite, [&](std::span<const std::byte> bytes) {
      out.write(bytes.data(), bytes.size());
      result.bytes_written += static_cast<std::int64_t>(bytes.size());
    });
    result.bytes_read += static_cast<std::int64_t>(one.from.bytes.size());
    checkpoint.release(one.from);
  });
}

// Reads everything again and compares.
void verify(const std::string& directory, const ModelDescription& description,
            const std::vector<Transfer>& list, const weights::Manifest& manifest) {
  const Checkpoint written(directory);
  const auto read = weights::read_manifest(written.directory());
  if (!read || weights::manifest_text(*read) != weights::manifest_text(manifest)) {
    throw Error(ErrorCode::kFormat, "linnet.json is not what was written: a faulty disk?");
  }
  if (written.tensors().size() != list.size()) {
    throw Error(ErrorCode::kFormat, "tensors are missing from what was written");
  }
  for (const Transfer& one : list) {
    const TensorView* tensor = written.find(one.to.name);
    if (tensor == nullptr) {
      throw Error(ErrorCode::kFormat, "tensor " + quote(one.to.name) + " was not written");
    }
    compare(one, *tensor);
    written.release(*tensor);
  }
  map_names(written, description.rules, description.spelling);
  for (const ManifestFile& file : manifest.files) {
    if (describe_file(written.directory(), file.name).hash != file.hash) {
      throw Error(ErrorCode::kFormat,
                  printable(file.name) + " is not what was written: a faulty disk?");
    }
  }
}

}  // namespace

Conversion convert(const ConvertOptions& options) {
  const Checkpoint checkpoint(options.model, options.open);
  const weights::Directory& source = checkpoint.directory();
  if (source.has(weights::kManifestFile)) {
    throw Error(ErrorCode::kInvalidArgument,
                source.name_of(weights::kManifestFile) +
                    ": the directory was converted before; convert what linnet export makes of it");
  }
  check_replaceable(source, options.output, options.existing);
  const ModelDescription description = describe_model(checkpoint.config(), options.head);
  const weights::NameMap map =
      map_names(checkpoint, description.rules, description.spelling, options.unexpected);
  check_companions(source, description);
  const std::vector<std::string> copied = files_to_copy(checkpoint, options.copy_files);

  Conversion result;
  result.warnings.assign(checkpoint.warnings().begin(), checkpoint.warnings().end());
  result.warnings.insert(result.warnings.end(), map.warnings.begin(), map.warnings.end());
  weights::Manifest& manifest = result.manifest;
  manifest.model_type = description.common.model_type;
  manifest.head = name(description.head);
  if (options.dtype) manifest.dtype = weights::name(*options.dtype);
  manifest.tensors = plan_tensors(checkpoint, description, map, options.dtype);
  describe_source(checkpoint, copied, manifest);
  result.not_copied = left_behind(source, manifest.source);

  weights::OutputDirectory output(options.output, options.existing);
  const std::string& directory = output.temporary_path();
  const std::vector<Transfer> list = transfers(checkpoint, manifest);
  manifest.files.push_back(write_config(checkpoint, description, directory));
  write_tensors(checkpoint, list, directory + "/" + kWeightsFile, options.non_finite, result);
  manifest.files.push_back(describe_file(weights::Directory(directory), kWeightsFile));
  for (const std::string& file : copied) {
    manifest.files.push_back(copy_file(source, file, directory));
  }
  weights::write_file(directory + "/" + weights::kManifestFile, [&](weights::OutputFile& out) {
    out.write(weights::manifest_text(manifest));
  });
  if (options.verify == Verify::kYes) {
    verify(directory, description, list, manifest);
    result.verified = Verify::kYes;
  }
  output.commit();
  return result;
}

}  // namespace linnet::tools
