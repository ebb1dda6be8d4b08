#include <algorithm>

#include "engine/tasks/zero_shot_classifier.h"
#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/task/options.h"
#include "tools/task/row_stream.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kLabels{.name = "candidate-labels",
                         .kind = Kind::kText,
                         .value = "LABELS",
                         .help = "The labels to choose from, with commas between.",
                         .letter = "l",
                         .required = true};
constexpr Option kTemplate{.name = "hypothesis-template",
                           .kind = Kind::kText,
                           .value = "TEXT",
                           .help = "What a label claims about a text; {} is the label.",
                           .fallback = "This example is {}."};
constexpr Option kMultiLabel{.name = "multi-label",
                             .help = "Judge each label by itself: none or several may be true."};

constexpr auto kOptions =
    cli::joined({&kModel, &kLabels, &kTemplate, &kMultiLabel, &kInput, &kInputFormat, &kTextColumn,
                 &kMaxLineBytes, &kMaxLength, &kNoTruncate, &kOutput, &kForce, &tools::kFormat,
                 &kJson, &kInvalidUtf8, &kNoParseSpecial, &kNoProgress},
                kModelOptions);

// Between commas, without spaces around; empty ones are left out, as in the pipeline.
std::vector<std::string> split_labels(std::string_view text) {
  std::vector<std::string> labels;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view label = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (label.starts_with(' ')) label.remove_prefix(1);
    while (label.ends_with(' ')) label.remove_suffix(1);
    if (!label.empty()) labels.emplace_back(label);
  }
  if (labels.empty()) throw cli::UsageError("--candidate-labels: expected at least one label");
  return labels;
}

tools::RowResult row_of(const ZeroShotResult& result, const std::vector<std::string>& labels) {
  tools::RowResult row;
  row.error = result.error;
  json::Writer out;
  out.begin_array();
  for (const CandidateScore& one : result.labels) {
    const auto score = static_cast<float>(one.score);
    out.begin_object().key("label").string(labels[one.label]);
    out.key("score").float32(score).end_object();
    row.cells.push_back({labels[one.label], score_text(score)});
  }
  row.json = std::move(out.end_array()).text();
  return row;
}

int run(const cli::Arguments& args, cli::Console& console) {
  io::check_destination(destination(args));
  const std::vector<std::string> labels = split_labels(args.text(kLabels));
  ZeroShotOptions options;
  options.hypothesis_template = args.text(kTemplate);
  options.multi_label = args.flag(kMultiLabel);
  options.sequence = sequence_options(args);
  io::TextSource source = io::open_texts(
      args.positionals(),
      text_options(args, args.text(kInput), {text_field(std::string(args.text(kTextColumn)))}));
  const TaskModel model = tools::load_model(args, console.log, HeadKind::kSequenceClassification);
  ZeroShotClassifier classifier(model, session_options(args));
  tools::ResultOptions results;
  results.schema = "linnet.zero-shot.1";
  results.key = "labels";
  results.columns = {{"label"}, {"score", io::Table::Align::kRight}};
  return tools::run_rows(
      args, console, source, std::move(results),
      [&](const std::vector<const Record*>& records, std::vector<tools::RowResult>& rows) {
        std::vector<std::string_view> texts;
        for (const Record* record : records) texts.push_back(*record->fields[0]);
        const auto found = classifier.classify(texts, labels, options, tools::task_calls());
        for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = row_of(found[i], labels);
      });
}

}  // namespace

constinit const cli::Command kZeroShot{
    .name = "zero-shot",
    .summary = "Choose among labels that a model was not trained for",
    .positionals = "[TEXT...]",
    .description =
        "Says which of --candidate-labels fits each text, with a model for natural language "
        "inference. Texts are words of the command line, the records of --input, or the lines of "
        "standard input. Writes an object a line with index and labels, each with label and score, "
        "the best first. Rows that cannot be read get an error instead, and the exit code is 3.",
    .examples =
        "# what is it about\n"
        "linnet zero-shot --model DIR --candidate-labels sport,politics \"the minister "
        "resigned\"\n",
    .options = kOptions,
    .run = run,
    .tasks = "zero-shot-classification",
};

}  // namespace linnet::commands
