#pragma once

#include <string>
#include <vector>

#include "engine/models/encoder_model.h"
#include "weights/checkpoint.h"
#include "weights/manifest.h"

namespace linnet::tools {

/// Two directories of one model, before and after something was done to it.
struct EvaluatedModels {
  std::string before, after;
  weights::OpenOptions open;
  LoadOptions load;
};

/// Scores of both on the records of a file (text, .jsonl, .csv, .tsv), the one that counts first:
///   a base model                    the embeddings' mean cosine, then the least one, the share of
///                                   nearest neighbours kept, and Spearman's correlation of all
///                                   pairs (compare_embeddings)
///   a sequence classification       accuracy where the records have labels (a column `label`, with
///                                   names or numbers), else the share of labels that stay
///   a language model                perplexity, the file being one text
/// Throws kUnsupported for other heads, kInvalidArgument for files without records and for records
/// that cannot be read.
std::vector<weights::ManifestQuality> evaluate(const EvaluatedModels& models,
                                               const std::string& file);

/// Throws kInvalidArgument if the first score lost more than `most`; a perplexity by its growth in
/// shares of what it was.
void check_drop(const std::vector<weights::ManifestQuality>& quality, double most);

}  // namespace linnet::tools
