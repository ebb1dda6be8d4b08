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
  std::vector<std::int64_t> lines;  // where each record begins
  std::int64_t broken = 0;          // records that were passed over
  std::string first_broken;         // why the first of them

  std::vector<TextInput> inputs() const;
  /// "FILE: line N"
  std::string place(std::size_t record) const;
};

struct LabelledColumns {
  std::string text, pair, label;  // empty: guessed; no pair unless it is named or guessed
};

/// kNone: `labels` stays empty, and no column of them is needed.
enum class ReadLabels { kAll, kNone };

/// Reads a .tsv, .csv or .jsonl file (.json: the same), compressed or not. Records that cannot be
/// read, have no label, or whose label is a number that is not finite are passed over; after
/// `max_errors` of them the next one is thrown as kFormat, naming file and line.
LabelledTexts read_labelled(const std::string& path, const LabelledColumns& columns,
                            std::int64_t max_records, std::int64_t max_errors = 0,
                            ReadLabels labels = ReadLabels::kAll);

/// Removes the records with the label -1, which says that nobody gave one, where all others are
/// integers from 0; how many there were. Throws kFormat when nothing is left.
std::int64_t drop_unlabelled(LabelledTexts& texts);

/// The class of each label: the place of its name in `names`, else it is that place as an integer.
/// Throws kFormat naming the first line for which it is neither.
std::vector<std::int64_t> label_classes(const LabelledTexts& texts,
                                        const std::vector<std::string>& names);
/// The labels as numbers. Throws kFormat naming the first line whose label is none.
std::vector<float> label_values(const LabelledTexts& texts);
/// Several labels a record: 1 for each class that it has, else 0, names.size() a record. A record's
/// labels are an array in JSON; in a table they stand between commas.
std::vector<std::int64_t> label_sets(const LabelledTexts& texts,
                                     const std::vector<std::string>& names);

/// What the labels of a data set are to a model.
struct LabelSet {
  ProblemType problem = ProblemType::kSingleLabel;
  std::vector<std::string> names;    // of the classes; one for regression
  std::vector<std::string> spelled;  // the same as the data has them: names, or integers

  /// Integers from 0 are classes; numbers that are no integers make it regression; words are
  /// classes in the order of the model's own labels where it has them all, else sorted; arrays are
  /// several labels at once. `wanted` decides instead. Throws kFormat when there is but one class,
  /// and naming the line for integers that are no class.
  LabelSet(const LabelledTexts& texts, const CommonConfig& model,
           std::optional<ProblemType> wanted = std::nullopt);
};

/// Names of classes for these labels, as LabelSet has them: LABEL_0 to the greatest integer, or the
/// model's own, or sorted.
std::vector<std::string> class_names(const std::vector<std::string>& labels,
                                     const std::vector<std::string>& known);
/// The place of a label's name, or of its integer; -1 for neither.
std::int64_t class_of(const std::string& label, const std::vector<std::string>& names);

}  // namespace linnet::tools
