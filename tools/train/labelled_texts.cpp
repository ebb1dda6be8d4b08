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

[[noreturn]] void refuse_label(const LabelledTexts& texts, std::size_t record,
                               const std::string& expected) {
  throw Error(ErrorCode::kFormat, texts.file + ": record " + std::to_string(record + 1) +
                                      ": label " + quote(texts.labels[record]) + ", expected " +
                                      expected);
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
                            std::int64_t max_records) {
  io::InputStream stream(path);
  RecordOptions options;
  options.format = record_format_of(path);
  if (options.format == RecordFormat::kText) {
    throw Error(ErrorCode::kFormat, path + ": expected a file named .tsv, .csv or .jsonl");
  }
  FieldRequest pair = pair_field(columns.pair);
  pair.required = !columns.pair.empty();
  options.fields = {text_field(columns.text), pair,
                    FieldRequest{columns.label, {"label", "labels", "Quality"}}};
  RecordReader reader([&](char* to, std::size_t bytes) { return stream.read(to, bytes); }, path,
                      std::move(options));
  LabelledTexts texts;
  texts.file = path;
  Record record;
  while (static_cast<std::int64_t>(texts.labels.size()) < max_records && reader.next(record)) {
    const std::string place = path + ": line " + std::to_string(record.line) + ": ";
    if (!record.error.empty()) throw Error(ErrorCode::kFormat, place + record.error);
    if (!record.fields[0]) throw Error(ErrorCode::kFormat, place + "has no text");
    if (!record.fields[2]) throw Error(ErrorCode::kFormat, place + "has no label");
    const bool is_pair = record.fields[1].has_value();
    if (!texts.labels.empty() && is_pair == texts.second.empty()) {
      throw Error(ErrorCode::kFormat, place + "some records are pairs and some are not");
    }
    texts.first.push_back(std::move(*record.fields[0]));
    if (is_pair) texts.second.push_back(std::move(*record.fields[1]));
    texts.labels.push_back(std::move(*record.fields[2]));
  }
  if (texts.labels.empty()) throw Error(ErrorCode::kFormat, path + ": has no record");
  return texts;
}

std::vector<std::int64_t> label_classes(const LabelledTexts& texts,
                                        const std::vector<std::string>& names) {
  const auto count = static_cast<std::int64_t>(names.size());
  std::vector<std::int64_t> all;
  for (const std::string& label : texts.labels) {
    const auto named = std::find(names.begin(), names.end(), label);
    const auto integer = number_of<std::int64_t>(label);
    if (named != names.end()) {
      all.push_back(named - names.begin());
    } else if (integer && *integer >= 0 && *integer < count) {
      all.push_back(*integer);
    } else {
      refuse_label(texts, all.size(), "one of the model's " + std::to_string(count));
    }
  }
  return all;
}

std::vector<float> label_values(const LabelledTexts& texts) {
  std::vector<float> all;
  for (const std::string& label : texts.labels) {
    const auto value = number_of<float>(label);
    if (!value || !std::isfinite(*value)) refuse_label(texts, all.size(), "a number");
    all.push_back(*value);
  }
  return all;
}

LabelSet::LabelSet(const LabelledTexts& texts, const CommonConfig& model) {
  bool integers = true, numbers = true;
  std::int64_t greatest = 0;
  for (const std::string& label : texts.labels) {
    const auto integer = number_of<std::int64_t>(label);
    integers = integers && integer && *integer >= 0 && *integer < kMaxLabels;
    numbers = numbers && number_of<double>(label).has_value();
    if (integer) greatest = std::max(greatest, *integer);
  }
  const auto known = [&](const std::string& label) {
    return std::find(model.labels.begin(), model.labels.end(), label) != model.labels.end();
  };
  if (integers) {
    const auto count = static_cast<std::size_t>(greatest) + 1;
    if (model.head == HeadKind::kSequenceClassification && model.labels.size() >= count) {
      names = model.labels;
    } else {
      for (std::size_t i = 0; i < std::max<std::size_t>(count, 2); ++i) {
        names.push_back("LABEL_" + std::to_string(i));
      }
    }
  } else if (numbers) {
    problem = ProblemType::kRegression;
    names = {"LABEL_0"};
  } else if (std::all_of(texts.labels.begin(), texts.labels.end(), known)) {
    names = model.labels;
  } else {
    const std::set<std::string> sorted(texts.labels.begin(), texts.labels.end());
    names.assign(sorted.begin(), sorted.end());
    if (names.size() < 2) {
      throw Error(ErrorCode::kFormat, texts.file + ": every label is " + quote(names[0]));
    }
  }
}

}  // namespace linnet::tools
