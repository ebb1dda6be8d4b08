#include "tools/cli/exit_code.h"
#include "tools/cli/program.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/embed/options.h"
#include "tools/io/progress.h"
#include "tools/io/vector_writer.h"
#include "weights/base/error.h"

namespace linnet::commands {
namespace {

constexpr Option kFormat{.name = "format",
                         .kind = Kind::kChoice,
                         .value = "FORMAT",
                         .help =
                             "Format of the output, by default by the name of --output, else "
                             "jsonl.",
                         .choices = "jsonl|json|npy|safetensors"};
constexpr Option kNoProgress{.name = "no-progress",
                             .help = "Do not show how far the work has come."};

constexpr const Option* kOptions[] = {&kModel,
                                      &kInput,
                                      &kInputFormat,
                                      &kTextColumn,
                                      &kMaxLineBytes,
                                      &kOutput,
                                      &kForce,
                                      &kFormat,
                                      &kJson,
                                      &kPrompt,
                                      &kPromptName,
                                      &kMaxLength,
                                      &kNoTruncate,
                                      &kInvalidUtf8,
                                      &kNoParseSpecial,
                                      &kThreads,
                                      &kIsa,
                                      &kFollowSymlinks,
                                      &kNoFollowSymlinks,
                                      &kNoProgress};

// Texts that are embedded together: enough to fill the threads, few enough to stay small.
constexpr std::size_t kChunkRows = 4096;
constexpr std::size_t kChunkBytes = std::size_t{8} << 20;

// The next records; false at the end.
bool read_chunk(io::TextSource& source, std::vector<Record>& chunk) {
  chunk.clear();
  std::size_t bytes = 0;
  for (Record record; chunk.size() < kChunkRows && bytes < kChunkBytes && source.next(record);) {
    if (record.error.empty()) bytes += record.fields[0]->size();
    chunk.push_back(std::move(record));
  }
  return !chunk.empty();
}

// Embeds the records that could be read and writes all of them in order.
void embed_chunk(Embedder& embedder, const EmbedOptions& options, std::vector<Record>& chunk,
                 const io::TextSource& source, io::VectorWriter& writer, Failures& failures) {
  std::vector<std::string_view> texts;
  std::vector<std::size_t> records;  // of each text
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (!chunk[i].error.empty()) continue;
    texts.push_back(*chunk[i].fields[0]);
    records.push_back(i);
  }
  const auto n = static_cast<std::int64_t>(texts.size()), D = embedder.model().dimensions();
  std::vector<float> values(static_cast<std::size_t>(n * D));
  for (const RowError& error : embedder.embed(texts, {values.data(), n, D, D}, options)) {
    chunk[records[static_cast<std::size_t>(error.row)]].error = error.message;
  }
  std::size_t row = 0;
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    const bool embedded = row < records.size() && records[row] == i;
    if (chunk[i].error.empty()) {
      const auto width = static_cast<std::size_t>(D);
      writer.add(std::span(values).subspan(row * width, width));
    } else {
      failures.add(source.place(chunk[i]), chunk[i].error);
      writer.add_failed(chunk[i].error);
    }
    if (embedded) ++row;
  }
}

io::VectorFormat format_of(const cli::Arguments& args) {
  if (args.given(kFormat)) {
    const std::string ending = "." + std::string(args.text(kFormat));
    return io::vector_format_of(ending).value_or(io::VectorFormat::kJsonl);
  }
  if (args.flag(kJson)) return io::VectorFormat::kJson;
  return io::vector_format_of(args.text(kOutput)).value_or(io::VectorFormat::kJsonl);
}

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  io::TextSource source = io::open_texts(
      args.positionals(),
      text_options(args, args.text(kInput), {text_field(std::string(args.text(kTextColumn)))}));
  const EmbeddingModel model = embedding_model(args);
  Embedder embedder(model, session_options(args));
  const EmbedOptions options = embed_options(args);
  Failures failures(console.log);
  io::write_to(to, console.out, [&](const io::Sink& sink) {
    io::VectorOptions vectors;
    vectors.format = format_of(args);
    vectors.dimensions = model.dimensions();
    vectors.spool_folder = io::spool_folder(to.path);
    vectors.schema = "linnet.embed.1";
    io::VectorWriter writer(vectors, sink);
    io::Progress progress(args.flag(kNoProgress) ? io::ShowProgress::kNo : io::ShowProgress::kYes,
                          "texts", console.log);
    for (std::vector<Record> chunk; read_chunk(source, chunk);) {
      cli::check_interrupt();
      embed_chunk(embedder, options, chunk, source, writer, failures);
      progress.update(writer.rows());
    }
    writer.finish();
  });
  return failures.exit_code();
}

}  // namespace

constinit const cli::Command kEmbed{
    .name = "embed",
    .summary = "Turn texts into vectors",
    .positionals = "[TEXT...]",
    .description =
        "Embeds texts with a sentence-transformers model, or with any BERT or DistilBERT (then "
        "with mean pooling). The vectors of a text are the same bytes on every machine, for any "
        "number of threads, whatever texts stand beside it. Writes an object a line with index and "
        "embedding; texts that cannot be embedded get an error instead, and the exit code is 3. "
        "npy and safetensors hold float32 rows, NaN for such texts.",
    .examples =
        "# two texts, an object a line\n"
        "linnet embed --model DIR \"bread rises\" \"the dough grows\"\n"
        "# the lines of a file as a NumPy array\n"
        "linnet embed --model DIR --input lines.txt --output lines.npy\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
