#include "engine/tasks/token_tagger.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/embed/options.h"
#include "tools/task/row_stream.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kAggregation{
    .name = "aggregation-strategy",
    .kind = Kind::kChoice,
    .value = "HOW",
    .help =
        "How tokens become entities: not at all, neighbours with one label (simple), or words "
        "that take the label of their first token, of the mean, or of the surest token.",
    .fallback = "none",
    .choices = "none|simple|first|average|max"};
constexpr Option kIgnoreLabels{.name = "ignore-labels",
                               .kind = Kind::kText,
                               .value = "LABEL",
                               .help =
                                   "A label to leave out, by default O; give it again for "
                                   "another, or as \"\" to keep all.",
                               .repeatable = true};
constexpr Option kStride{
    .name = "stride",
    .kind = Kind::kInteger,
    .value = "N",
    .help =
        "Read long texts in windows that share N tokens; without it their end is cut away. Needs "
        "an aggregation strategy.",
    .low = 0};

constexpr auto kOptions =
    cli::joined({&kModel, &kInput, &kInputFormat, &kTextColumn, &kMaxLineBytes, &kAggregation,
                 &kIgnoreLabels, &kStride, &kMaxLength, &kOutput, &kForce, &tools::kFormat, &kJson,
                 &kInvalidUtf8, &kNoParseSpecial, &kNoProgress},
                kModelOptions);

TagOptions tag_options(const cli::Arguments& args) {
  TagOptions options;
  options.aggregation_strategy = parse_aggregation(args.text(kAggregation));
  if (args.given(kIgnoreLabels)) options.ignore_labels = args.list(kIgnoreLabels);
  options.stride = args.maybe_integer(kStride);
  options.max_length = args.maybe_integer(kMaxLength);
  options.encode = encode_options(args);
  return options;
}

std::string as_json(const Tags& tags, Aggregation strategy) {
  const bool grouped = strategy != Aggregation::kNone;
  json::Writer out;
  out.begin_array();
  for (const TextEntity& e : tags.entities) {
    out.begin_object().key(grouped ? "entity_group" : "entity").string(e.label);
    out.key("score").float32(static_cast<float>(e.score));
    if (!grouped) out.key("index").integer(e.index);
    out.key("word").string(e.word);
    out.key("start").integer(e.start).key("end").integer(e.end).end_object();
  }
  return std::move(out.end_array()).text();
}

tools::RowResult row_of(const Tags& tags, Aggregation strategy) {
  tools::RowResult row;
  row.error = tags.error;
  row.json = as_json(tags, strategy);
  for (const TextEntity& e : tags.entities) {
    row.cells.push_back({e.label, score_text(static_cast<float>(e.score)), std::to_string(e.start),
                         std::to_string(e.end), e.word});
  }
  return row;
}

int run(const cli::Arguments& args, cli::Console& console) {
  io::check_destination(destination(args));
  io::TextSource source = io::open_texts(
      args.positionals(),
      text_options(args, args.text(kInput), {text_field(std::string(args.text(kTextColumn)))}));
  const TagOptions options = tag_options(args);
  const TaskModel model = tools::load_model(args, console.log, HeadKind::kTokenClassification);
  TokenTagger tagger(model, session_options(args));
  tools::ResultOptions results;
  results.schema = "linnet.tag.1";
  results.key = "entities";
  results.columns = {{"label"},
                     {"score", io::Table::Align::kRight},
                     {"start", io::Table::Align::kRight},
                     {"end", io::Table::Align::kRight},
                     {"word"}};
  return tools::run_rows(
      args, console, source, std::move(results),
      [&](const std::vector<const Record*>& records, std::vector<tools::RowResult>& rows) {
        const std::vector<std::string_view> texts = tools::first_fields(records);
        const std::vector<Tags> tags = tagger.tag(texts, options, tools::task_calls());
        for (std::size_t i = 0; i < rows.size(); ++i) {
          rows[i] = row_of(tags[i], options.aggregation_strategy);
        }
      });
}

}  // namespace

constinit const cli::Command kTag{
    .name = "tag",
    .summary = "Find names and other entities in texts",
    .positionals = "[TEXT...]",
    .description =
        "Labels the tokens of texts with a token-classification model, and joins them to entities "
        "as --aggregation-strategy says. Writes an object a line with index and entities, each "
        "with entity (or entity_group), score, word, and start and end in characters. Texts that "
        "cannot be read get an error instead, and the exit code is 3.",
    .examples =
        "# whole entities\n"
        "linnet tag --model DIR --aggregation-strategy simple \"Ada lives in Riga.\"\n"
        "# long documents, one a line, in windows\n"
        "linnet tag --model DIR --input docs.txt --aggregation-strategy first --stride 64\n",
    .options = kOptions,
    .run = run,
    .tasks = "token-classification|ner",
};

}  // namespace linnet::commands
