#include "engine/core/function_ref.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/program.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/embed/options.h"
#include "tools/embed/precision_writer.h"
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

constexpr Option kDimensions{.name = "dimensions",
                             .kind = Kind::kInteger,
                             .value = "N",
                             .help =
                                 "Keep the first N values of a vector, as they are; for models "
                                 "that were trained for it (Matryoshka).",
                             .low = 1};
constexpr Option kOutputPrecision{
    .name = "output-precision",
    .kind = Kind::kChoice,
    .value = "TYPE",
    .help =
        "int8: a byte a value, in 255 steps from the least to the greatest of its dimension; "
        "binary: a bit a value, whether it is above zero, eight to a byte, less 128.",
    .fallback = "float32",
    .choices = "float32|int8|binary"};
constexpr Option kCalibrationFile{
    .name = "calibration-file",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "Texts whose vectors give the range of each dimension for int8; by default the range is "
        "that of the input itself. Vectors are comparable when their ranges are the same."};

constexpr auto kOptions = cli::joined(
    {&kModel, &kInput, &kInputFormat, &kTextColumn, &kMaxLineBytes, &kOutput, &kForce, &kFormat,
     &kJson, &kDimensions, &kOutputPrecision, &kCalibrationFile, &kPrompt, &kPromptName,
     &kMaxLength, &kNoTruncate, &kInvalidUtf8, &kNoParseSpecial, &kNoProgress},
    kModelOptions);

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

struct Job {
  EmbedOptions options;
  VectorPrecision precision = VectorPrecision::kFloat32;
  std::int64_t dimensions = 0;  // that are kept
};

using RowFunction = FunctionRef<void(const Record& record, std::span<const float> row)>;

// Embeds the records that could be read, marks those that could not be embedded, and gives all of
// them in order, cut to the dimensions of the job.
void embed_chunk(Embedder& embedder, const Job& job, std::vector<Record>& chunk, RowFunction give) {
  std::vector<std::string_view> texts;
  std::vector<std::size_t> records;  // of each text
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (!chunk[i].error.empty()) continue;
    texts.push_back(*chunk[i].fields[0]);
    records.push_back(i);
  }
  const auto n = static_cast<std::int64_t>(texts.size()), D = embedder.model().dimensions();
  std::vector<float> values(static_cast<std::size_t>(n * D));
  const Mat<float> y{values.data(), n, D, D};
  for (const RowError& error : embedder.embed(texts, y, job.options)) {
    chunk[records[static_cast<std::size_t>(error.row)]].error = error.message;
  }
  std::int64_t row = 0;
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    std::span<const float> kept;
    if (row < n && records[static_cast<std::size_t>(row)] == i) {
      kept = {y.row(row++), static_cast<std::size_t>(job.dimensions)};
      if (chunk[i].error.empty()) chunk[i].error = PrecisionWriter::refusal(job.precision, kept);
    }
    give(chunk[i], kept);
  }
}

Job job_of(const cli::Arguments& args, std::int64_t D) {
  Job job;
  job.options = embed_options(args);
  job.precision = parse_vector_precision(args.text(kOutputPrecision));
  job.dimensions = args.maybe_integer(kDimensions).value_or(D);
  if (job.dimensions > D) {
    throw Error(ErrorCode::kInvalidArgument,
                "--dimensions: found " + std::to_string(job.dimensions) +
                    ", expected at most the model's " + std::to_string(D));
  }
  stored_values(job.precision, job.dimensions);  // throws before the work begins
  return job;
}

// What --calibration-file says. Texts of it that cannot be embedded fail the command: the ranges
// would be those of other texts.
ValueRanges calibrate(const cli::Arguments& args, Embedder& embedder, const Job& job) {
  ValueRanges ranges;
  if (!args.given(kCalibrationFile)) return ranges;
  if (job.precision != VectorPrecision::kInt8) {
    throw cli::UsageError("--calibration-file is for --output-precision int8");
  }
  io::TextSource source =
      io::open_texts({}, text_options(args, args.text(kCalibrationFile),
                                      {text_field(std::string(args.text(kTextColumn)))}));
  for (std::vector<Record> chunk; read_chunk(source, chunk);) {
    cli::check_interrupt();
    embed_chunk(embedder, job, chunk, [&](const Record& record, std::span<const float> row) {
      if (!record.error.empty()) {
        throw Error(ErrorCode::kFormat, source.place(record) + ": " + record.error);
      }
      ranges.include(row);
    });
  }
  if (ranges.empty()) {
    throw Error(ErrorCode::kFormat, std::string(args.text(kCalibrationFile)) + ": no text");
  }
  return ranges;
}

io::VectorFormat format_of(const cli::Arguments& args) {
  if (args.given(kFormat)) {
    const std::string ending = "." + std::string(args.text(kFormat));
    return io::vector_format_of(ending).value_or(io::VectorFormat::kJsonl);
  }
  if (args.flag(kJson)) return io::VectorFormat::kJson;
  return io::vector_format_of(args.text(kOutput)).value_or(io::VectorFormat::kJsonl);
}

// Ranges of few texts are narrow: most other texts lie outside them.
void warn_of_few(const cli::Log& log, const PrecisionWriter& writer) {
  constexpr std::int64_t kEnough = 100;
  const std::int64_t n = writer.calibrated_rows();
  if (n == 0 || n >= kEnough) return;
  log.warning("the ranges of int8 come from " + std::to_string(n) +
              " texts only; --calibration-file takes them from more");
}

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  io::TextSource source = io::open_texts(
      args.positionals(),
      text_options(args, args.text(kInput), {text_field(std::string(args.text(kTextColumn)))}));
  const EmbeddingModel model = embedding_model(args, console.log);
  const Job job = job_of(args, model.dimensions());
  Embedder embedder(model, session_options(args));
  const ValueRanges ranges = calibrate(args, embedder, job);
  Failures failures(console.log);
  io::write_to(to, console.out, [&](const io::Sink& sink) {
    io::VectorOptions vectors;
    vectors.format = format_of(args);
    vectors.spool_folder = io::spool_folder(to.path);
    vectors.schema = "linnet.embed.1";
    PrecisionWriter writer(vectors, job.precision, job.dimensions, ranges, sink);
    io::Progress progress(args.flag(kNoProgress) ? io::ShowProgress::kNo : io::ShowProgress::kYes,
                          "texts", console.log);
    for (std::vector<Record> chunk; read_chunk(source, chunk);) {
      cli::check_interrupt();
      embed_chunk(embedder, job, chunk, [&](const Record& record, std::span<const float> row) {
        if (record.error.empty()) return writer.add(row);
        failures.add(source.place(record), record.error);
        writer.add_failed(record.error);
      });
      progress.update(writer.rows());
    }
    writer.finish();
    warn_of_few(console.log, writer);
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
        "npy and safetensors hold float32 rows, NaN for such texts. --output-precision int8 and "
        "binary make the vectors 4 and 32 times smaller, in the bytes of sentence-transformers' "
        "quantize_embeddings; there such texts are rows of zeros.",
    .examples =
        "# two texts, an object a line\n"
        "linnet embed --model DIR \"bread rises\" \"the dough grows\"\n"
        "# the lines of a file as a NumPy array\n"
        "linnet embed --model DIR --input lines.txt --output lines.npy\n"
        "# a byte a value, in ranges that other files can share\n"
        "linnet embed --model DIR --input lines.txt --output-precision int8 "
        "--calibration-file sample.txt\n",
    .options = kOptions,
    .run = run,
    .tasks = "feature-extraction",
};

}  // namespace linnet::commands
