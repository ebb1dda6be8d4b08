#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/models/common_config.h"
#include "engine/tasks/record_reader.h"
#include "engine/tasks/text_batch.h"

namespace linnet::tools {

/// Texts, or pairs of texts, with what stands in their label column.
struct LabelledTexts {
  std::string file;
  std::vector<std::string> first, second;  // second: empty unless they are pairs
  std::vector<std::string> labels;

  std::vector<TextInput> inputs() const;
};

struct LabelledColumns {
  std::string text, pair, label;  // empty: guessed; no pair unless it is named or guessed
};

/// Reads a .tsv, .csv or .jsonl file, compressed or not. Throws kFormat naming file and line for
/// the first record that cannot be read or has no label.
LabelledTexts read_labelled(const std::string& path, const LabelledColumns& columns,
                            std::int64_t max_records);

/// The class of each label: the place of its name in `names`, else it is that place as an integer.
/// Throws kFormat naming the first record for which it is neither.
std::vector<std::int64_t> label_classes(const LabelledTexts& texts,
                                        const std::vector<std::string>& names);
/// The labels as numbers. Throws kFormat naming the first record whose label is none.
std::vector<float> label_values(const LabelledTexts& texts);

/// What the labels of a data set are to a model.
struct LabelSet {
  ProblemType problem = ProblemType::kSingleLabel;
  std::vector<std::string> names;  // of the classes; one for regression

  /// Integers from 0 are classes; other numbers make it regression; words are classes in the order
  /// of the model's own labels where it has them all, else sorted.
  LabelSet(const LabelledTexts& texts, const CommonConfig& model);
};

}  // namespace linnet::tools
