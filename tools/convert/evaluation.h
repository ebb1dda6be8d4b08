#pragma once

#include <string>
#include <vector>

#include "engine/models/encoder_model.h"
#include "weights/checkpoint.h"
#include "weights/hash.h"
#include "weights/manifest.h"

namespace linnet::tools {

/// Two directories of one model, before and after something was done to it.
struct EvaluatedModels {
  std::string before, after;
  weights::OpenOptions open;
  LoadOptions load;
};

/// What a model is scored on: the records of a file, or the one text of a language model.
struct EvaluationData {
  HeadKind head = HeadKind::kBase;                // what is scored
  std::vector<std::string> texts, pairs, labels;  // pairs, labels: empty, or one a text
  std::string name;                               // of the file, without its folder
  weights::Hash128 hash;
};

/// Reads a file (text, .jsonl, .csv, .tsv) for the model of a checkpoint, all of it: what is wrong
/// with it shows before any work. Throws kUnsupported for a head that evaluate() does not score,
/// kInvalidArgument for files without records and for records that cannot be read, kLimit for more
/// embeddings than can be compared.
EvaluationData read_evaluation(const weights::Checkpoint& checkpoint, const std::string& file);

/// Scores of both models, the one that counts first:
///   a base model                    the embeddings' mean cosine, then the least one, the share of
///                                   nearest neighbours kept, and Spearman's correlation of all
///                                   pairs (compare_embeddings)
///   a sequence classification       accuracy where the records have labels (a column `label`, with
///                                   names or numbers), else the share of labels that stay
///   a language model                perplexity, the file being one text
std::vector<weights::ManifestQuality> evaluate(const EvaluatedModels& models,
                                               const EvaluationData& data);

/// Throws kInvalidArgument if the first score lost more than `most`; a perplexity by its growth in
/// shares of what it was.
void check_drop(const std::vector<weights::ManifestQuality>& quality, double most);

}  // namespace linnet::tools
