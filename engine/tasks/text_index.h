#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/tasks/embedder.h"
#include "weights/hash.h"

namespace linnet {

/// The embeddings of the lines of a text, as `linnet search` keeps them in a file. They are good
/// for one text and one model only: the key says which.
struct TextIndex {
  std::string key;  // see text_index_key
  std::int64_t dimensions = 0;
  std::vector<std::int64_t> lines;  // line number of each embedding, from 1
  std::vector<float> embeddings;    // [lines, dimensions]

  Mat<const float> matrix() const {
    return {embeddings.data(), static_cast<std::int64_t>(lines.size()), dimensions, dimensions};
  }
};

/// Everything that an embedding depends on, in one line: hashes of the text and of the model's
/// files, and the options.
std::string text_index_key(const EmbeddingModel& model, const weights::Hash128& text,
                           const EmbedOptions& options);

/// Writes a safetensors file atomically.
void save_text_index(const std::string& path, const TextIndex& index);

/// Reads one; nothing when there is no file or when its key is another. Throws kFormat for a file
/// that is no index.
std::optional<TextIndex> load_text_index(const std::string& path, const std::string& key);

}  // namespace linnet
