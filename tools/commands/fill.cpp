#include "engine/tasks/mask_filler.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/embed/options.h"
#include "tools/task/row_stream.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kTopK{.name = "top-k",
                       .kind = Kind::kInteger,
                       .value = "N",
                       .help = "Candidates of a mask, the best ones.",
                       .fallback = "5",
                       .letter = "k",
                       .low = 1,
                       .high = 8'000'000};
constexpr Option kTargets{.name = "targets",
                          .kind = Kind::kText,
                          .value = "WORD",
                          .help =
                              "Only this word is a candidate; give it again for others. Of a word "
                              "that is not in the vocabulary its first token is taken.",
                          .repeatable = true};
constexpr Option kTruncate{.name = "truncate",
                           .help = "Cut the end of a text that is too long; by default an error."};

constexpr auto kOptions = cli::joined(
    {&kModel, &kInput, &kInputFormat, &kTextColumn, &kMaxLineBytes, &kTopK, &kTargets, &kMaxLength,
     &kTruncate, &kOutput, &kForce, &tools::kFormat, &kJson, &kInvalidUtf8, &kNoProgress},
    kModelOptions);

FillOptions fill_options(const cli::Arguments& args, const TaskModel& model, const cli::Log& log) {
  FillOptions options;
  options.top_k = args.integer(kTopK);
  options.targets = args.list(kTargets);
  options.max_length = args.maybe_integer(kMaxLength);
  if (args.flag(kTruncate)) options.too_long = TooLong::kTruncate;
  if (args.text(kInvalidUtf8) == "replace") {
    options.encode.invalid_utf8 = tokenizer::InvalidUtf8::kReplace;
  }
  for (const std::string& word : options.targets) {
    const auto target = find_target(model, word);
    if (target && target->exact) continue;
    const std::string what = "--targets: \"" + word + "\" is not in the vocabulary, ";
    log.warning(target ? what + "taking \"" +
                             std::string(model.tokenizer.token(target->id).value_or("")) + "\""
                       : what + "leaving it out");
  }
  return options;
}

void write_mask(json::Writer& out, const std::vector<Fill>& fills) {
  out.begin_array();
  for (const Fill& fill : fills) {
    out.begin_object().key("score").float32(static_cast<float>(fill.score));
    out.key("token").integer(fill.token).key("token_str").string(fill.token_str);
    out.key("sequence").string(fill.sequence).end_object();
  }
  out.end_array();
}

tools::RowResult row_of(const Fills& fills) {
  tools::RowResult row;
  row.error = fills.error;
  json::Writer out;
  if (fills.masks.size() != 1) out.begin_array();
  for (const std::vector<Fill>& mask : fills.masks) write_mask(out, mask);
  if (fills.masks.size() != 1) out.end_array();
  row.json = std::move(out).text();
  for (std::size_t m = 0; m < fills.masks.size(); ++m) {
    for (const Fill& fill : fills.masks[m]) {
      row.cells.push_back({std::to_string(m), score_text(static_cast<float>(fill.score)),
                           fill.token_str, fill.sequence});
    }
  }
  return row;
}

int run(const cli::Arguments& args, cli::Console& console) {
  io::check_destination(destination(args));
  io::TextSource source = io::open_texts(
      args.positionals(),
      text_options(args, args.text(kInput), {text_field(std::string(args.text(kTextColumn)))}));
  const TaskModel model = tools::load_model(args, console.log, HeadKind::kMaskedLm);
  MaskFiller filler(model, session_options(args));
  const FillOptions options = fill_options(args, model, console.log);
  tools::ResultOptions results;
  results.schema = "linnet.fill.1";
  results.key = "fills";
  results.columns = {{"mask", io::Table::Align::kRight},
                     {"score", io::Table::Align::kRight},
                     {"token"},
                     {"sequence"}};
  return tools::run_rows(
      args, console, source, std::move(results),
      [&](const std::vector<const Record*>& records, std::vector<tools::RowResult>& rows) {
        const std::vector<std::string_view> texts = tools::first_fields(records);
        const std::vector<Fills> fills = filler.fill(texts, options, tools::task_calls());
        for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = row_of(fills[i]);
      });
}

}  // namespace

constinit const cli::Command kFill{
    .name = "fill",
    .summary = "Fill the masks of texts",
    .positionals = "[TEXT...]",
    .description =
        "Proposes tokens for each [MASK] of a text, with a masked language model. Writes an object "
        "a line with index and fills: for one mask a list of candidates with score, token, "
        "token_str and sequence, for several masks a list of such lists. Texts that cannot be read "
        "or have no mask get an error instead, and the exit code is 3.",
    .examples =
        "# the five best words\n"
        "linnet fill --model DIR \"Bread is made of [MASK].\"\n"
        "# which of two words fits better\n"
        "linnet fill --model DIR --targets flour --targets water \"Bread is made of [MASK].\"\n",
    .options = kOptions,
    .run = run,
    .tasks = "fill-mask",
};

}  // namespace linnet::commands
