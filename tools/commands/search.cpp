#include <algorithm>
#include <functional>

#include "engine/tasks/text_index.h"
#include "engine/tasks/vector_index.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/program.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/embed/options.h"
#include "tools/io/table.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kTexts{.name = "input",
                        .kind = Kind::kFile,
                        .value = "FILE",
                        .help =
                            "The texts to search: one a line, or by its name .jsonl, .csv or .tsv; "
                            ".gz and .zst are decompressed.",
                        .letter = "i",
                        .required = true};
constexpr Option kIndex{.name = "index",
                        .kind = Kind::kFile,
                        .value = "FILE",
                        .help =
                            "Keep the embeddings in this file. It is made when it is missing and "
                            "made anew when the texts, the model or the options have changed."};
constexpr Option kTopK{.name = "top-k",
                       .kind = Kind::kInteger,
                       .value = "K",
                       .help = "Results for each query.",
                       .fallback = "5",
                       .letter = "k",
                       .low = 1};
constexpr Option kQueryPromptName{
    .name = "query-prompt-name",
    .kind = Kind::kText,
    .value = "NAME",
    .help = "A prompt of the model for the queries; --prompt-name is for the texts."};

constexpr auto kOptions =
    cli::joined({&kModel, &kTexts, &kInputFormat, &kTextColumn, &kMaxLineBytes, &kIndex, &kTopK,
                 &kSimilarity, &kOutput, &kForce, &kJson, &kPrompt, &kPromptName, &kQueryPromptName,
                 &kMaxLength, &kNoTruncate, &kInvalidUtf8, &kNoParseSpecial},
                kModelOptions);

// The texts that are searched, empty ones left out.
struct Texts {
  std::vector<std::string> texts;
  std::vector<std::int64_t> lines;
  std::vector<std::string> places;
  weights::Hash128 hash;
};

Texts read_texts(const cli::Arguments& args, Failures& failures) {
  io::TextSource source = io::open_texts(
      {}, text_options(args, args.text(kTexts), {text_field(std::string(args.text(kTextColumn)))}));
  Texts result;
  std::string all;  // what the hash is of: lengths keep the borders
  for (Record record; source.next(record);) {
    if (!record.error.empty()) {
      failures.add(source.place(record), record.error);
      continue;
    }
    const std::string& text = *record.fields[0];
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    all += std::to_string(record.line) + ' ' + std::to_string(text.size()) + ' ' + text;
    result.lines.push_back(record.line);
    result.places.push_back(source.place(record));
    result.texts.push_back(text);
  }
  result.hash = weights::hash_bytes(std::as_bytes(std::span(all)));
  return result;
}

// Embeds all texts; those that cannot be are reported and left out.
TextIndex make_index(Embedder& embedder, const EmbedOptions& options, const Texts& texts,
                     Failures& failures) {
  constexpr std::size_t kChunk = 4096;
  TextIndex index;
  index.dimensions = embedder.model().dimensions();
  const auto D = static_cast<std::size_t>(index.dimensions);
  std::vector<float> values;
  for (std::size_t begin = 0; begin < texts.texts.size(); begin += kChunk) {
    cli::check_interrupt();
    const std::size_t n = std::min(kChunk, texts.texts.size() - begin);
    const std::vector<std::string_view> views(
        texts.texts.begin() + static_cast<std::ptrdiff_t>(begin),
        texts.texts.begin() + static_cast<std::ptrdiff_t>(begin + n));
    values.assign(n * D, 0.0f);
    const auto errors = embedder.embed(
        views, {values.data(), static_cast<std::int64_t>(n), index.dimensions, index.dimensions},
        options);
    std::size_t next_error = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (next_error < errors.size() && errors[next_error].row == static_cast<std::int64_t>(i)) {
        failures.add(texts.places[begin + i], errors[next_error++].message);
        continue;
      }
      index.lines.push_back(texts.lines[begin + i]);
      index.embeddings.insert(index.embeddings.end(),
                              values.begin() + static_cast<std::ptrdiff_t>(i * D),
                              values.begin() + static_cast<std::ptrdiff_t>((i + 1) * D));
    }
  }
  return index;
}

// What the embeddings of a text depend on. Prompts are written out with their lengths: a name and a
// text with the same letters are two things.
std::string index_key(const EmbeddingModel& model, const Texts& texts,
                      const EmbedOptions& options) {
  std::string key = text_index_key(model, texts.hash, options);
  if (model.sentence.encoder.precision == Precision::kBfloat16) key += " bf16";
  if (model.sentence.encoder.backend == Backend::kOneDnn) key += " onednn";
  const auto add = [&](const char* what, const std::optional<std::string>& value) {
    key += what + (value ? std::to_string(value->size()) + ":" + *value : "none");
  };
  add(" prompt text ", options.prompt);
  add(" prompt name ", options.prompt_name);
  if (options.too_long == TooLong::kRefuse) key += " no-truncate";
  if (!options.encode.parse_special) key += " no-parse-special";
  if (options.encode.invalid_utf8 == tokenizer::InvalidUtf8::kReplace) key += " replace";
  return key;
}

// The key says what was meant, not what a damaged file holds.
void check_index(const TextIndex& index, const Texts& texts, std::int64_t dimensions,
                 const std::string& path) {
  if (index.dimensions != dimensions) {
    throw Error(ErrorCode::kFormat, path + ": damaged index: found " +
                                        std::to_string(index.dimensions) +
                                        " dimensions, expected " + std::to_string(dimensions));
  }
  const auto end = index.lines.end();
  if (std::adjacent_find(index.lines.begin(), end, std::greater<>()) != end) {
    throw Error(ErrorCode::kFormat, path + ": damaged index: its lines do not ascend");
  }
  for (const std::int64_t line : index.lines) {
    if (!std::binary_search(texts.lines.begin(), texts.lines.end(), line)) {
      throw Error(ErrorCode::kFormat,
                  path + ": damaged index: the texts have no line " + std::to_string(line));
    }
  }
}

// Texts that failed when the index was made fail again.
void report_missing(const TextIndex& index, const Texts& texts, Failures& failures) {
  for (std::size_t i = 0; i < texts.lines.size(); ++i) {
    if (!std::binary_search(index.lines.begin(), index.lines.end(), texts.lines[i])) {
      failures.add(texts.places[i], "could not be embedded when the index was made");
    }
  }
}

// The index of --index if it is of these texts, else a new one, stored where --index says.
TextIndex find_index(Embedder& embedder, const cli::Arguments& args, const Texts& texts,
                     Failures& failures) {
  const EmbedOptions options = embed_options(args);
  if (!args.given(kIndex)) return make_index(embedder, options, texts, failures);
  const std::string path(args.text(kIndex));
  const std::string key = index_key(embedder.model(), texts, options);
  if (auto stored = load_text_index(path, key)) {
    check_index(*stored, texts, embedder.model().dimensions(), path);
    report_missing(*stored, texts, failures);
    return std::move(*stored);
  }
  TextIndex index = make_index(embedder, options, texts, failures);
  index.key = key;
  save_text_index(path, index);
  return index;
}

struct Answer {
  std::string query;
  std::vector<Hit> hits;
};

std::string as_json(const Answer& answer, const TextIndex& index, const Texts& texts) {
  json::Writer out;
  out.begin_object().key("query").string(answer.query).key("hits").begin_array();
  for (const Hit& hit : answer.hits) {
    const std::int64_t line = index.lines[static_cast<std::size_t>(hit.row)];
    const auto at = std::lower_bound(texts.lines.begin(), texts.lines.end(), line);
    out.begin_object().key("score").float32(hit.score).key("line").integer(line);
    out.key("text").string(texts.texts[static_cast<std::size_t>(at - texts.lines.begin())]);
    out.end_object();
  }
  out.end_array().end_object();
  return std::move(out).text() + "\n";
}

std::string as_table(const Answer& answer, const TextIndex& index, const Texts& texts) {
  io::Table table(
      {{"score", io::Table::Align::kRight}, {"line", io::Table::Align::kRight}, {"text"}});
  for (const Hit& hit : answer.hits) {
    const std::int64_t line = index.lines[static_cast<std::size_t>(hit.row)];
    const auto at = std::lower_bound(texts.lines.begin(), texts.lines.end(), line);
    table.add({score_text(hit.score), std::to_string(line),
               texts.texts[static_cast<std::size_t>(at - texts.lines.begin())]});
  }
  return "query: " + io::harmless(answer.query) + "\n" + table.text() + "\n";
}

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  io::TextSource queries = io::open_texts(args.positionals(), {});
  Failures failures(console.log);
  const EmbeddingModel model = embedding_model(args, console.log);
  Embedder embedder(model, session_options(args));
  const Texts texts = read_texts(args, failures);
  const TextIndex index = find_index(embedder, args, texts, failures);
  if (index.lines.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                std::string(args.text(kTexts)) + ": has no text to search");
  }
  const VectorIndex vectors(model.sentence.encoder.kernels, index.matrix(),
                            similarity_of(args, model));
  EmbedOptions query_options = embed_options(args);
  if (args.given(kQueryPromptName)) {
    query_options.prompt.reset();  // that of the texts
    query_options.prompt_name = args.maybe(kQueryPromptName);
  }

  io::write_to(to, console.out, [&](const io::Sink& sink) {
    std::vector<float> vector(static_cast<std::size_t>(index.dimensions));
    const Mat<float> row{vector.data(), 1, index.dimensions, index.dimensions};
    for (Record record; queries.next(record);) {
      std::string error = record.error;
      if (error.empty()) {
        const std::string_view text = *record.fields[0];
        const auto errors = embedder.embed(std::span(&text, 1), row, query_options);
        if (!errors.empty()) error = errors[0].message;
      }
      if (!error.empty()) {
        failures.add(queries.place(record), error);
        continue;
      }
      const Answer answer{*record.fields[0],
                          vectors.search(embedder.threads(), row, args.integer(kTopK))};
      sink(args.flag(kJson) ? as_json(answer, index, texts) : as_table(answer, index, texts));
    }
  });
  return failures.exit_code();
}

}  // namespace

constinit const cli::Command kSearch{
    .name = "search",
    .summary = "Search the texts of a file by meaning",
    .positionals = "[QUERY...]",
    .description =
        "Embeds the texts of --input and answers each query with the nearest of them: score, line "
        "and text. Queries are the words of the command line, or the lines of standard input. With "
        "--json an object a query: query and hits.",
    .examples =
        "# the three lines that are nearest to a question\n"
        "linnet search --model DIR --input lines.txt --top-k 3 \"why does bread rise?\"\n"
        "# embed once, search often\n"
        "linnet search --model DIR --input lines.txt --index lines.index \"late trains\"\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
