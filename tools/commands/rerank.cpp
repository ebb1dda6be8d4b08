#include "engine/tasks/reranker.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/io/table.h"
#include "tools/task/options.h"
#include "tools/task/row_stream.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kQuery{.name = "query",
                        .kind = Kind::kText,
                        .value = "TEXT",
                        .help = "What the texts should answer.",
                        .letter = "q",
                        .required = true};
constexpr Option kTopK{.name = "top-k",
                       .kind = Kind::kInteger,
                       .value = "N",
                       .help = "Texts to write, the best ones; 0 for all.",
                       .fallback = "0",
                       .letter = "k",
                       .low = 0};
constexpr Option kRawScores{.name = "raw-scores",
                            .help = "Write logits, whatever function the model's config names."};

constexpr auto kOptions = cli::joined(
    {&kModel, &kQuery, &kInput, &kInputFormat, &kTextColumn, &kMaxLineBytes, &kTopK, &kRawScores,
     &kMaxLength, &kNoTruncate, &kOutput, &kForce, &kJson, &kInvalidUtf8, &kNoParseSpecial},
    kModelOptions);

// All texts, for the best may come last, and what became of them.
struct Scored {
  std::vector<std::string> texts;
  std::vector<Relevance> results;
};

Scored score_all(Reranker& reranker, const cli::Arguments& args, io::TextSource& source,
                 Failures& failures) {
  RerankOptions options;
  options.raw_scores = args.flag(kRawScores);
  options.sequence = sequence_options(args);
  Scored out;
  std::vector<std::string> places, errors;
  for (Record record; source.next(record);) {
    out.texts.push_back(record.error.empty() ? *record.fields[0] : "");
    places.push_back(source.place(record));
    errors.push_back(record.error);
  }
  const std::vector<std::string_view> views(out.texts.begin(), out.texts.end());
  out.results = reranker.score(args.text(kQuery), views, options, tools::task_calls());
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (!errors[i].empty()) out.results[i] = {0, errors[i]};
    if (!out.results[i].error.empty()) failures.add(places[i], out.results[i].error);
  }
  return out;
}

std::string as_json(const Scored& scored, std::span<const std::size_t> order) {
  json::Writer out;
  out.begin_object().key("schema").string("linnet.rerank.1").key("results").begin_array();
  for (const std::size_t i : order) {
    out.begin_object().key("index").integer(static_cast<std::int64_t>(i));
    out.key("score").float32(static_cast<float>(scored.results[i].score));
    out.key("text").string(scored.texts[i]).end_object();
  }
  out.end_array().end_object();
  return std::move(out).text() + "\n";
}

std::string as_table(const Scored& scored, std::span<const std::size_t> order) {
  io::Table table(
      {{"score", io::Table::Align::kRight}, {"index", io::Table::Align::kRight}, {"text"}});
  for (const std::size_t i : order) {
    table.add({score_text(static_cast<float>(scored.results[i].score)), std::to_string(i),
               scored.texts[i]});
  }
  return table.text();
}

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  io::TextSource source = io::open_texts(
      args.positionals(),
      text_options(args, args.text(kInput), {text_field(std::string(args.text(kTextColumn)))}));
  const TaskModel model = tools::load_model(args, console.log, HeadKind::kSequenceClassification);
  Reranker reranker(model, session_options(args));
  Failures failures(console.log);
  const Scored scored = score_all(reranker, args, source, failures);
  const std::vector<std::size_t> order = ranking(scored.results, args.integer(kTopK));
  io::write_to(to, console.out, [&](const io::Sink& sink) {
    sink(args.flag(kJson) ? as_json(scored, order) : as_table(scored, order));
  });
  return failures.exit_code();
}

}  // namespace

constinit const cli::Command kRerank{
    .name = "rerank",
    .summary = "Order texts by how well they answer a query",
    .positionals = "[TEXT...]",
    .description =
        "Scores each text together with --query by a cross-encoder and writes the texts, the best "
        "first. Texts are words of the command line, the records of --input, or the lines of "
        "standard input; all of them are kept in memory. index counts them from 0. Texts that "
        "cannot be read are left out, and the exit code is 3.",
    .examples =
        "# the better of two answers\n"
        "linnet rerank --model DIR --query \"how long do eggs boil?\" \"Eight minutes.\" \"In "
        "Riga.\"\n",
    .options = kOptions,
    .run = run,
    .tasks = "rerank",
};

}  // namespace linnet::commands
