#include "engine/tasks/text_classifier.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/task/default_model.h"
#include "tools/task/options.h"
#include "tools/task/row_stream.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kClassifier{.name = "model",
                             .kind = Kind::kDirectory,
                             .value = "DIR",
                             .help =
                                 "Model directory in Hugging Face layout; by default the one that "
                                 "comes with linnet and tells positive from negative reviews.",
                             .letter = "m"};
constexpr Option kTopK{.name = "top-k",
                       .kind = Kind::kInteger,
                       .value = "N",
                       .help = "Labels of a text, the best ones; 0 for all.",
                       .fallback = "1",
                       .letter = "k",
                       .low = 0};
constexpr Option kFunction{
    .name = "function-to-apply",
    .kind = Kind::kChoice,
    .value = "FUNCTION",
    .help =
        "How logits become scores; by default none for regression, sigmoid for several labels at "
        "once or a single one, else softmax.",
    .choices = "softmax|sigmoid|none"};

constexpr auto kOptions =
    cli::joined({&kClassifier, &kInput, &kInputFormat, &kTextColumn, &kTextPairColumn,
                 &kMaxLineBytes, &kTopK, &kFunction, &kMaxLength, &kNoTruncate, &kOutput, &kForce,
                 &tools::kFormat, &kJson, &kInvalidUtf8, &kNoParseSpecial, &kNoProgress},
                kModelOptions);

ClassifyOptions classify_options(const cli::Arguments& args) {
  ClassifyOptions options;
  options.top_k = args.integer(kTopK);
  if (args.given(kFunction)) options.function = parse_score_function(args.text(kFunction));
  options.sequence = sequence_options(args);
  return options;
}

tools::RowResult row_of(const Classification& result, const std::vector<std::string>& labels) {
  tools::RowResult row;
  row.error = result.error;
  json::Writer out;
  out.begin_array();
  for (const LabelScore& one : result.labels) {
    const std::string& label = labels[static_cast<std::size_t>(one.label)];
    const auto score = static_cast<float>(one.score);
    out.begin_object().key("label").string(label).key("score").float32(score).end_object();
    row.cells.push_back({label, score_text(score)});
  }
  row.json = std::move(out.end_array()).text();
  return row;
}

int run(const cli::Arguments& args, cli::Console& console) {
  io::check_destination(destination(args));
  std::vector<FieldRequest> fields{text_field(std::string(args.text(kTextColumn)))};
  if (args.given(kTextPairColumn)) fields.push_back({std::string(args.text(kTextPairColumn)), {}});
  io::TextSource source =
      io::open_texts(args.positionals(), text_options(args, args.text(kInput), std::move(fields)));
  const ClassifyOptions options = classify_options(args);
  const std::string directory = args.given(kClassifier) ? std::string(args.text(kClassifier))
                                                        : tools::default_model_directory();
  const TaskModel model =
      tools::load_model(args, console.log, HeadKind::kSequenceClassification, directory);
  TextClassifier classifier(model, session_options(args));
  tools::ResultOptions results;
  results.schema = "linnet.classify.1";
  results.key = "labels";
  results.columns = {{"label"}, {"score", io::Table::Align::kRight}};
  return tools::run_rows(
      args, console, source, std::move(results),
      [&](const std::vector<const Record*>& records, std::vector<tools::RowResult>& rows) {
        std::vector<TextInput> inputs;
        for (const Record* record : records) {
          inputs.push_back({*record->fields[0], std::nullopt});
          if (record->fields.size() > 1) inputs.back().second = *record->fields[1];
        }
        const auto found = classifier.classify(inputs, options, tools::task_calls());
        for (std::size_t i = 0; i < rows.size(); ++i) {
          rows[i] = row_of(found[i], classifier.labels());
        }
      });
}

}  // namespace

constinit const cli::Command kClassify{
    .name = "classify",
    .summary = "Give texts their labels",
    .positionals = "[TEXT...]",
    .description =
        "Classifies texts, or pairs of texts, with a sequence-classification model. Texts are "
        "words of the command line, the records of --input, or the lines of standard input. Writes "
        "an object a line with index and labels, each with label and score, the best first. Rows "
        "that cannot be read get an error instead, and the exit code is 3.",
    .examples =
        "# whether reviews are positive or negative\n"
        "linnet classify \"what a lovely film\" \"two hours lost\"\n"
        "# the label of each text by a model of one's own\n"
        "linnet classify --model DIR \"what a lovely film\" \"two hours lost\"\n"
        "# all labels of the pairs of a table\n"
        "linnet classify --model DIR --input pairs.tsv --text-column sentence1 "
        "--text-pair-column sentence2 --top-k 0\n",
    .options = kOptions,
    .run = run,
    .tasks = "text-classification|sentiment-analysis",
};

}  // namespace linnet::commands
