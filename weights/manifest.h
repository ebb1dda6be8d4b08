#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weights/base/json.h"
#include "weights/directory.h"
#include "weights/dtype.h"
#include "weights/hash.h"
#include "weights/manifest_layers.h"
#include "weights/name_map.h"

// linnet.json: where a converted directory comes from and what was done to it.
namespace linnet::weights {

constexpr char kManifestFile[] = "linnet.json";
constexpr std::int64_t kManifestVersion = 1;

struct ManifestFile {
  std::string name;  // "x" or "folder/x"
  std::int64_t bytes = 0;
  Hash128 hash;
};

/// How a tensor of the source is kept. kStored: as a tensor. kTied: it has the bytes of another
/// one. kConstant: its content follows from its name and shape (see constant_of). kQuantized: as
/// rows of a ManifestLayer.
enum class Kept { kStored, kTied, kConstant, kQuantized };

struct ManifestTensor {
  std::string original;  // spelling in the source
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  Fate fate = Fate::kUsed;
  Kept kept = Kept::kStored;
  std::string tied_to;         // of kTied: our name of the tensor that has its bytes
  DType stored = DType::kF32;  // of kStored: the type here
  std::int64_t rounded = 0;    // elements that do not come back from the type here
  std::string layer = {};      // of kQuantized: its name
};

struct Manifest {
  std::string source_name;      // last part of the source directory's path
  std::string source_revision;  // commit of the Hub's cache, where known
  std::vector<ManifestFile> source;
  std::string model_type, head;
  std::string dtype;                              // asked for; empty: every tensor keeps its type
  std::map<std::string, ManifestTensor> tensors;  // by our name
  std::optional<ManifestQuantization> quantization;
  ManifestLayers layers;  // in INT8, by name
  std::vector<ManifestQuality> quality;
  std::vector<ManifestFile> files;  // of this directory, without linnet.json
};

/// Throws kLimit for more text than a reader takes.
std::string manifest_text(const Manifest& manifest);

/// The linnet.json of a directory, if there. Throws kUnsupported for a newer format_version,
/// kFormat for anything that is not what manifest_text writes: unknown words, names that are not
/// plain, tied tensors without their other half. Keys that are not known are ignored.
std::optional<Manifest> read_manifest(const Directory& directory);
Manifest read_manifest(json::Value root);

/// Throws kUnsupported for a directory whose linnet.json is of a newer format.
void check_manifest_version(const Directory& directory);

/// The content of a tensor that frameworks store beside the weights though it follows from its
/// name, type and shape: ascending position_ids, zero token_type_ids, the triangle and the large
/// negative number of a causal mask. Nothing where there is no such formula.
std::optional<std::string> constant_of(std::string_view name, DType dtype,
                                       const std::vector<std::int64_t>& shape);

}  // namespace linnet::weights
