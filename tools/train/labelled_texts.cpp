#include "tools/train/labelled_texts.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "tools/io/input_stream.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

template <class T>
std::optional<T> number_of(const std::string& text) {
  T value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// "nan", "inf", 1e999.
bool is_number_without_end(const std::string& text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ptr != text.data() + text.size() || text.empty()) return false;
  return parsed.ec == std::errc::result_out_of_range ||
         (parsed.ec == std::errc() && !std::isfinite(value));
}

[[noreturn]] void refuse_label(const LabelledTexts& texts, std::size_t record,
                               const std::string& label, const std::string& expected) {
  throw Error(ErrorCode::kFormat,
              texts.place(record) + ": label " + quote(label) + ", expected " + expected);
}

// The labels of one record of several.
std::vector<std::string> labels_of(const std::string& cell) {
  std::vector<std::string> labels;
  const char between = cell.find(kListSeparator) != cell.npos ? kListSeparator : ',';
  for (std::size_t begin = 0; begin < cell.size();) {
    const std::size_t end = std::min(cell.find(between, begin), cell.size());
    std::string label = cell.substr(begin, end - begin);
    label.erase(0, std::min(label.find_first_not_of(' '), label.size()));
    label.erase(label.find_last_not_of(' ') + 1);
    if (!label.empty()) labels.push_back(std::move(label));
    begin = end + 1;
  }
  return labels;
}

// Why a record cannot be used beside those that are there; empty when it can.
std::string what_is_wrong(const Record& record, const LabelledTexts& texts) {
  if (!record.error.empty()) return record.error;
  if (!record.fields[0]) return "has no text";
  if (record.fields.size() > 2 && !record.fields[2]) return "has no label";
  if (!texts.first.empty() && record.fields[1].has_value() == texts.second.empty()) {
    return "some records are pairs and some are not";
  }
  if (record.fields.size() == 2 || !is_number_without_end(*record.fields[2])) return "";
  return "label " + quote(*record.fields[2]) + ", expected a finite number or a name";
}

RecordFormat format_of(std::string_view path) {
  return path.ends_with(".json") ? RecordFormat::kJsonl : record_format_of(path);
}

}  // namespace

std::vector<TextInput> LabelledTexts::inputs() const {
  std::vector<TextInput> all;
  for (std::size_t i = 0; i < first.size(); ++i) {
    all.push_back({first[i], std::nullopt});
    if (!second.empty()) all.back().second = second[i];
  }
  return all;
}

LabelledTexts read_labelled(const std::string& path, const LabelledColumns& columns,
                            std::int64_t max_records, std::int64_t max_errors, ReadLabels labels) {
  io::InputStream stream(path);
  RecordOptions options;
  options.format = format_of(path);
  if (options.format == RecordFormat::kText) {
    throw Error(ErrorCode::kFormat, path + ": expected a file named .tsv, .csv or .jsonl");
  }
  FieldRequest pair = pair_field(columns.pair);
  pair.required = !columns.pair.empty();
  options.fields = {text_field(columns.text), pair};
  if (labels == ReadLabels::kAll) {
    options.fields.push_back({columns.label, {"label", "labels", "Quality"}, true, true});
  }
  RecordReader reader([&](char* to, std::size_t bytes) { return stream.read(to, bytes); }, path,
                      std::move(options));
  LabelledTexts texts;
  texts.file = path;
  Record record;
  while (static_cast<std::int64_t>(texts.first.size()) < max_records && reader.next(record)) {
    const std::string broken = what_is_wrong(record, texts);
    if (!broken.empty()) {
      const std::string message = path + ": line " + std::to_string(record.line) + ": " + broken;
      if (texts.broken == max_errors) throw Error(ErrorCode::kFormat, message);
      if (texts.broken++ == 0) texts.first_broken = message;
      continue;
    }
    texts.lines.push_back(record.line);
    texts.first.push_back(std::move(*record.fields[0]));
    if (record.fields[1]) texts.second.push_back(std::move(*record.fields[1]));
    if (labels == ReadLabels::kAll) texts.labels.push_back(std::move(*record.fields[2]));
  }
  if (texts.first.empty()) throw Error(ErrorCode::kFormat, path + ": has no record");
  return texts;
}

std::string LabelledTexts::place(std::size_t record) const {
  return file + ": line " + std::to_string(lines[record]);
}

std::int64_t drop_unlabelled(LabelledTexts& texts) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < texts.labels.size(); ++i) {
    const auto integer = number_of<std::int64_t>(texts.labels[i]);
    if (!integer || *integer < -1) return 0;
    if (*integer >= 0) kept.push_back(i);
  }
  if (kept.empty()) throw Error(ErrorCode::kFormat, texts.file + ": every label is -1");
  const std::size_t dropped = texts.labels.size() - kept.size();
  const auto keep = [&](auto& all) {
    if (all.empty()) return;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (i != kept[i]) all[i] = std::move(all[kept[i]]);
    }
    all.resize(kept.size());
  };
  if (dropped > 0) keep(texts.first), keep(texts.second), keep(texts.labels), keep(texts.lines);
  return static_cast<std::int64_t>(dropped);
}

std::int64_t class_of(const std::string& label, const std::vector<std::string>& names) {
  const auto named = std::find(names.begin(), names.end(), label);
  if (named != names.end()) return named - names.begin();
  const auto integer = number_of<std::int64_t>(label);
  const bool in_range =
      integer && *integer >= 0 && static_cast<std::size_t>(*integer) < names.size();
  return in_range ? *integer : -1;
}

std::vector<std::int64_t> label_classes(const LabelledTexts& texts,
                                        const std::vector<std::string>& names) {
  std::vector<std::int64_t> all;
  for (const std::string& label : texts.labels) {
    all.push_back(class_of(label, names));
    if (all.back() < 0) {
      refuse_label(texts, all.size() - 1, label,
                   "one of the model's " + std::to_string(names.size()));
    }
  }
  return all;
}

std::vector<float> label_values(const LabelledTexts& texts) {
  std::vector<float> all;
  for (const std::string& label : texts.labels) {
    const auto value = number_of<float>(label);
    if (!value || !std::isfinite(*value)) refuse_label(texts, all.size(), label, "a number");
    all.push_back(*value);
  }
  return all;
}

std::vector<std::int64_t> label_sets(const LabelledTexts& texts,
                                     const std::vector<std::string>& names) {
  std::vector<std::int64_t> all(texts.labels.size() * names.size());
  for (std::size_t i = 0; i < texts.labels.size(); ++i) {
    for (const std::string& label : labels_of(texts.labels[i])) {
      const std::int64_t place = class_of(label, names);
      if (place < 0) {
        refuse_label(texts, i, label, "one of the model's " + std::to_string(names.size()));
      }
      all[i * names.size() + static_cast<std::size_t>(place)] = 1;
    }
  }
  return all;
}

std::vector<std::string> class_names(const std::vector<std::string>& labels,
                                     const std::vector<std::string>& known) {
  const auto is_known = [&](const std::string& label) {
    return std::find(known.begin(), known.end(), label) != known.end();
  };
  bool integers = true;
  std::int64_t greatest = 0;
  for (const std::string& label : labels) {
    const auto integer = number_of<std::int64_t>(label);
    integers = integers && integer && *integer >= 0 && *integer < kMaxLabels;
    if (integer) greatest = std::max(greatest, *integer);
  }
  if (integers) {
    const auto count = std::max<std::size_t>(static_cast<std::size_t>(greatest) + 1, 2);
    if (known.size() >= count) return known;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back("LABEL_" + std::to_string(i));
    return names;
  }
  if (std::all_of(labels.begin(), labels.end(), is_known)) return known;
  const std::set<std::string> sorted(labels.begin(), labels.end());
  return {sorted.begin(), sorted.end()};
}

LabelSet::LabelSet(const LabelledTexts& texts, const CommonConfig& model,
                   std::optional<ProblemType> wanted) {
  const bool classifier = model.head == HeadKind::kSequenceClassification;
  const std::vector<std::string> known = classifier ? model.labels : std::vector<std::string>();
  bool integers = true, numbers = true, lists = false;
  std::optional<std::size_t> outside;  // an integer that is no class
  for (std::size_t i = 0; i < texts.labels.size(); ++i) {
    const std::string& label = texts.labels[i];
    const auto integer = number_of<std::int64_t>(label);
    integers = integers && integer.has_value();
    if (integer && (*integer < 0 || *integer >= kMaxLabels) && !outside) outside = i;
    numbers = numbers && number_of<double>(label).has_value();
    lists = lists || label.find(kListSeparator) != label.npos;
  }
  if (classifier && model.problem_type == ProblemType::kMultiLabel) lists = true;
  problem = wanted                 ? *wanted
            : lists                ? ProblemType::kMultiLabel
            : numbers && !integers ? ProblemType::kRegression
                                   : ProblemType::kSingleLabel;
  if (problem == ProblemType::kRegression) {
    names = spelled = {"LABEL_0"};
    return;
  }
  if (problem == ProblemType::kSingleLabel && integers && outside) {
    refuse_label(texts, *outside, texts.labels[*outside],
                 "a class from 0 to " + std::to_string(kMaxLabels - 1) +
                     "; --problem-type regression takes it as a number");
  }
  std::vector<std::string> labels = texts.labels;
  if (problem == ProblemType::kMultiLabel) {
    labels.clear();
    for (const std::string& cell : texts.labels) {
      for (std::string& label : labels_of(cell)) labels.push_back(std::move(label));
    }
    if (labels.empty()) throw Error(ErrorCode::kFormat, texts.file + ": no record has a label");
  } else if (std::all_of(labels.begin(), labels.end(),
                         [&](const std::string& label) { return label == labels[0]; })) {
    throw Error(ErrorCode::kFormat, texts.file + ": every label is " + quote(labels[0]));
  }
  names = spelled = class_names(labels, known);
  if (!integers) return;
  for (std::size_t i = 0; i < spelled.size(); ++i) spelled[i] = std::to_string(i);
}

}  // namespace linnet::tools
