#include "engine/tasks/question_answerer.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/embed/options.h"
#include "tools/io/small_file.h"
#include "tools/task/row_stream.h"
#include "tools/task/window_options.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kContext{.name = "context",
                          .kind = Kind::kText,
                          .value = "TEXT",
                          .help = "The text that holds the answers to all questions.",
                          .letter = "c"};
constexpr Option kContextFile{.name = "context-file",
                              .kind = Kind::kFile,
                              .value = "FILE",
                              .help = "Read that text from a file."};
constexpr Option kQuestionColumn{.name = "question-column",
                                 .kind = Kind::kText,
                                 .value = "NAME",
                                 .help = "Column or key of the question.",
                                 .fallback = "question"};
constexpr Option kContextColumn{
    .name = "context-column",
    .kind = Kind::kText,
    .value = "NAME",
    .help = "Column or key of the context, where there is no --context.",
    .fallback = "context"};
constexpr Option kTopK{.name = "top-k",
                       .kind = Kind::kInteger,
                       .value = "N",
                       .help = "Answers to a question, the best ones.",
                       .fallback = "1",
                       .letter = "k",
                       .low = 1,
                       .high = 10'000};
constexpr Option kMaxAnswerLen{.name = "max-answer-len",
                               .kind = Kind::kInteger,
                               .value = "N",
                               .help = "Longest answer in tokens.",
                               .fallback = "15",
                               .low = 1};
constexpr Option kHandleImpossible{
    .name = "handle-impossible-answer",
    .help = "The empty answer takes part: there may be no answer in the context."};
constexpr Option kNullThreshold{
    .name = "null-score-diff-threshold",
    .kind = Kind::kNumber,
    .value = "X",
    .help =
        "Decide as evaluations on SQuAD 2.0 do: no answer when its logits exceed those of the best "
        "answer by more than X."};
constexpr Option kNBestSize{
    .name = "n-best-size",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "Starts and ends of a window that are tried with --null-score-diff-threshold.",
    .fallback = "20",
    .low = 1,
    .high = 10'000};
constexpr Option kNoAlign{.name = "no-align-to-words",
                          .help = "Answers may begin and end within words."};

constexpr auto kOptions = cli::joined({&kModel,
                                       &kContext,
                                       &kContextFile,
                                       &kInput,
                                       &kInputFormat,
                                       &kQuestionColumn,
                                       &kContextColumn,
                                       &kMaxLineBytes,
                                       &kTopK,
                                       &kMaxSeqLen,
                                       &kDocStride,
                                       &kMaxAnswerLen,
                                       &kHandleImpossible,
                                       &kNullThreshold,
                                       &kNBestSize,
                                       &kNoAlign,
                                       &kOutput,
                                       &kForce,
                                       &tools::kFormat,
                                       &kJson,
                                       &kInvalidUtf8,
                                       &kNoParseSpecial,
                                       &kNoProgress},
                                      kModelOptions);

constexpr std::int64_t kContextBytes = std::int64_t{64} << 20;

AnswerOptions answer_options(const cli::Arguments& args) {
  AnswerOptions options;
  options.top_k = args.integer(kTopK);
  options.max_seq_len = args.maybe_integer(kMaxSeqLen);
  options.doc_stride = args.maybe_integer(kDocStride);
  options.max_answer_len = args.integer(kMaxAnswerLen);
  options.handle_impossible_answer = args.flag(kHandleImpossible);
  options.align_to_words = !args.flag(kNoAlign);
  if (args.given(kNullThreshold)) options.null_score_diff_threshold = args.number(kNullThreshold);
  options.n_best_size = args.integer(kNBestSize);
  options.encode = encode_options(args);
  return options;
}

// The context of all questions, where there is one.
std::optional<std::string> context_of(const cli::Arguments& args) {
  if (args.given(kContext) && args.given(kContextFile)) {
    throw cli::UsageError("--context and --context-file: give one of them");
  }
  if (const auto path = args.maybe(kContextFile)) return io::read_small_file(*path, kContextBytes);
  return args.maybe(kContext);
}

io::TextSource source_of(const cli::Arguments& args, bool one_context) {
  std::vector<FieldRequest> fields{{std::string(args.text(kQuestionColumn)), {}}};
  if (!one_context) fields.push_back({std::string(args.text(kContextColumn)), {}});
  const io::TextOptions options = text_options(args, args.text(kInput), std::move(fields));
  if (!one_context &&
      (!args.positionals().empty() || options.records.format == RecordFormat::kText)) {
    throw cli::UsageError(
        "questions without a context: give it by --context or --context-file, or questions and "
        "contexts as columns of .jsonl, .csv or .tsv input");
  }
  return io::open_texts(args.positionals(), options);
}

std::string as_json(const Answers& result) {
  json::Writer out;
  out.begin_array();
  for (const Answer& answer : result.answers) {
    out.begin_object().key("score").float32(static_cast<float>(answer.score));
    out.key("start").integer(answer.start).key("end").integer(answer.end);
    out.key("answer").string(answer.answer).end_object();
  }
  return std::move(out.end_array()).text();
}

tools::RowResult row_of(const Answers& result) {
  tools::RowResult row;
  row.error = result.error;
  row.json = as_json(result);
  for (const Answer& answer : result.answers) {
    row.cells.push_back({score_text(static_cast<float>(answer.score)), std::to_string(answer.start),
                         std::to_string(answer.end), answer.answer});
  }
  return row;
}

int run(const cli::Arguments& args, cli::Console& console) {
  io::check_destination(destination(args));
  const std::optional<std::string> context = context_of(args);
  io::TextSource source = source_of(args, context.has_value());
  const AnswerOptions options = answer_options(args);
  const TaskModel model = tools::load_model(args, console.log, HeadKind::kQuestionAnswering);
  QuestionAnswerer answerer(model, session_options(args));
  tools::ResultOptions results;
  results.schema = "linnet.answer.1";
  results.key = "answers";
  results.columns = {{"score", io::Table::Align::kRight},
                     {"start", io::Table::Align::kRight},
                     {"end", io::Table::Align::kRight},
                     {"answer"}};
  return tools::run_rows(
      args, console, source, std::move(results),
      [&](const std::vector<const Record*>& records, std::vector<tools::RowResult>& rows) {
        std::vector<Question> questions;
        for (const Record* record : records) {
          questions.push_back({*record->fields[0], context ? *context : *record->fields[1]});
        }
        const auto answers = answerer.answer(questions, options, tools::task_calls());
        for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = row_of(answers[i]);
      });
}

}  // namespace

constinit const cli::Command kAnswer{
    .name = "answer",
    .summary = "Answer questions by a part of a text",
    .positionals = "[QUESTION...]",
    .description =
        "Finds the answers to questions in a context, with a question-answering model; long "
        "contexts are read in overlapping windows. Questions are words of the command line or "
        "lines of --input or standard input, with --context; or records with a question and a "
        "context each. Writes an object a line with index and answers, each with score, start and "
        "end in characters, and answer. Rows that cannot be read get an error instead, and the "
        "exit code is 3.",
    .examples =
        "# two questions on one text\n"
        "linnet answer --model DIR --context \"Ada baked the bread in Riga.\" \"Who baked?\" "
        "\"Where?\"\n"
        "# the records of a file, with \"no answer\" as a choice\n"
        "linnet answer --model DIR --input squad.jsonl --handle-impossible-answer\n",
    .options = kOptions,
    .run = run,
    .tasks = "question-answering",
};

}  // namespace linnet::commands
