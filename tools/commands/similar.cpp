#include <cstdio>

#include "engine/tasks/vector_index.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/program.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/embed/options.h"
#include "tools/io/table.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kSource{.name = "source",
                         .kind = Kind::kText,
                         .value = "TEXT",
                         .help = "The text that the others are compared with.",
                         .required = true};

constexpr auto kOptions =
    cli::joined({&kModel, &kSource, &kInput, &kInputFormat, &kTextColumn, &kMaxLineBytes,
                 &kSimilarity, &kOutput, &kForce, &kJson, &kPrompt, &kPromptName, &kMaxLength,
                 &kNoTruncate, &kInvalidUtf8, &kNoParseSpecial},
                kModelOptions);

struct Scored {
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<bool> failed;
};

Scored score_all(Embedder& embedder, const cli::Arguments& args, io::TextSource& source,
                 Failures& failures) {
  Scored result;
  std::vector<std::string> places, errors;
  for (Record record; source.next(record);) {
    result.texts.push_back(record.error.empty() ? *record.fields[0] : "");
    places.push_back(source.place(record));
    errors.push_back(record.error);
  }
  const std::string wanted(args.text(kSource));
  std::vector<std::string_view> texts{wanted};
  texts.insert(texts.end(), result.texts.begin(), result.texts.end());
  const auto n = static_cast<std::int64_t>(texts.size()), D = embedder.model().dimensions();
  std::vector<float> values(static_cast<std::size_t>(n * D));
  const Mat<float> all{values.data(), n, D, D};
  for (const RowError& error : embedder.embed(texts, all, embed_options(args))) {
    if (error.row == 0) throw Error(error.code, "--source: " + error.message);
    std::string& first = errors[static_cast<std::size_t>(error.row) - 1];
    if (first.empty()) first = error.message;
  }
  const VectorIndex index(embedder.model().sentence.encoder.kernels, all.slice_rows(1, n),
                          similarity_of(args, embedder.model()));
  result.scores.resize(static_cast<std::size_t>(n - 1));
  index.score(embedder.threads(), {result.scores.data(), 1, n - 1, n - 1}, all.slice_rows(0, 1));
  for (std::size_t i = 0; i < errors.size(); ++i) {
    result.failed.push_back(!errors[i].empty());
    if (!errors[i].empty()) failures.add(places[i], errors[i]);
  }
  return result;
}

std::string as_json(const Scored& scored) {
  json::Writer out;
  out.begin_object().key("schema").string("linnet.similar.1").key("scores").begin_array();
  for (std::size_t i = 0; i < scored.scores.size(); ++i) {
    scored.failed[i] ? out.null() : out.float32(scored.scores[i]);
  }
  out.end_array().end_object();
  return std::move(out).text() + "\n";
}

std::string as_table(const Scored& scored) {
  io::Table table({{"score", io::Table::Align::kRight}, {"text"}});
  for (std::size_t i = 0; i < scored.scores.size(); ++i) {
    if (!scored.failed[i]) table.add({score_text(scored.scores[i]), scored.texts[i]});
  }
  return table.text();
}

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  io::TextSource source = io::open_texts(
      args.positionals(),
      text_options(args, args.text(kInput), {text_field(std::string(args.text(kTextColumn)))}));
  const EmbeddingModel model = embedding_model(args, console.log);
  Embedder embedder(model, session_options(args));
  Failures failures(console.log);
  const Scored scored = score_all(embedder, args, source, failures);
  io::write_to(to, console.out, [&](const io::Sink& sink) {
    sink(args.flag(kJson) ? as_json(scored) : as_table(scored));
  });
  return failures.exit_code();
}

}  // namespace

constinit const cli::Command kSimilar{
    .name = "similar",
    .summary = "Compare a text with others",
    .positionals = "[TEXT...]",
    .description =
        "Scores each text against --source by the similarity that the model was trained for, "
        "cosine by default; greater is nearer. Texts are words of the command line, the records of "
        "--input, or the lines of standard input, and are answered in their order.",
    .examples =
        "# which of two texts is nearer\n"
        "linnet similar --model DIR --source \"bread rises\" \"the dough grows\" \"trains are "
        "late\"\n",
    .options = kOptions,
    .run = run,
    .tasks = "sentence-similarity",
};

}  // namespace linnet::commands
