#pragma once

#include <string>
#include <vector>

#include "weights/checkpoint.h"
#include "weights/manifest.h"
#include "weights/output.h"

// The files of a model directory that are no weights of the model.
namespace linnet::tools {

/// Name, size and hash of a file of a directory. Throws kIo when it is not there.
weights::ManifestFile describe_file(const weights::Directory& directory, const std::string& name);

/// The files that go into a converted directory as they are: tokenizer, generation, modules of
/// sentence-transformers with their folders, README and licence, and those asked for.
std::vector<std::string> files_to_copy(const weights::Checkpoint& checkpoint,
                                       const std::vector<std::string>& asked_for);

/// Copies a file byte for byte, its folder made if need be.
weights::ManifestFile copy_file(const weights::Directory& from, const std::string& name,
                                const std::string& to_directory);

/// Entries of the directory that are not among `taken`, sorted.
std::vector<std::string> left_behind(const weights::Directory& directory,
                                     const std::vector<weights::ManifestFile>& taken);

/// Throws kInvalidArgument when something stands at `output` that is not to be replaced, or must
/// not be: the source, a folder around it, what is no model directory. Called before the work.
void check_replaceable(const weights::Directory& source, const std::string& output,
                       weights::Existing existing);

}  // namespace linnet::tools
