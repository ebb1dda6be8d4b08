#include "tools/evaluate/evaluate.h"

#include <limits>

#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/task/options.h"
#include "tools/task/row_stream.h"
#include "tools/task/window_options.h"

namespace linnet::commands {
namespace {

constexpr Option kTask{
    .name = "task",
    .kind = Kind::kChoice,
    .value = "TASK",
    .help = "What is scored: answers that --predictions has, or what the model of --model gives.",
    .choices = "squad|text-classification|token-classification|question-answering",
    .required = true};
constexpr Option kFile{
    .name = "file",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "The data set: texts with labels as .tsv, .csv or .jsonl; words with tags in columns or as "
        ".jsonl; or the JSON of SQuAD.",
    .letter = "f",
    .required = true};
constexpr Option kPredictions{
    .name = "predictions",
    .kind = Kind::kFile,
    .value = "FILE",
    .help = "For squad: JSON object with an answer for the id of each question."};
constexpr Option kEvaluatedModel{.name = "model",
                                 .kind = Kind::kDirectory,
                                 .value = "DIR",
                                 .help = "Model directory in Hugging Face layout.",
                                 .letter = "m"};
constexpr Option kLabelColumn{.name = "label-column",
                              .kind = Kind::kText,
                              .value = "NAME",
                              .help = "Column or key of the label; guessed by default."};
constexpr Option kMaxAnswerLen{.name = "max-answer-len",
                               .kind = Kind::kInteger,
                               .value = "N",
                               .help = "Longest answer in tokens.",
                               .fallback = "30",
                               .low = 1};
constexpr Option kNullThreshold{
    .name = "null-score-diff-threshold",
    .kind = Kind::kNumber,
    .value = "X",
    .help =
        "Of SQuAD 2.0: no answer when its logits exceed those of the best answer by more than X.",
    .fallback = "0"};
constexpr Option kNBestSize{.name = "n-best-size",
                            .kind = Kind::kInteger,
                            .value = "N",
                            .help = "Starts and ends of a window that are tried.",
                            .fallback = "20",
                            .low = 1,
                            .high = 10'000};

constexpr auto kOptions =
    cli::joined({&kTask,           &kFile,         &kPredictions,   &kEvaluatedModel, &kTextColumn,
                 &kTextPairColumn, &kLabelColumn,  &kMaxLength,     &kNoTruncate,     &kMaxSeqLen,
                 &kDocStride,      &kMaxAnswerLen, &kNullThreshold, &kNBestSize,      &kOutput,
                 &kForce,          &kJson,         &kInvalidUtf8,   &kNoParseSpecial, &kNoProgress},
                kModelOptions);

tools::Scores score_predictions(const cli::Arguments& args) {
  const std::optional<std::string> predictions = args.maybe(kPredictions);
  if (!predictions) throw cli::UsageError("--task squad: --predictions is required");
  if (args.given(kEvaluatedModel)) {
    throw cli::UsageError("--task squad scores stored answers: --model is for the other tasks");
  }
  const tools::SquadFile data = tools::read_squad(std::string(args.text(kFile)));
  return tools::score_squad(data, tools::read_squad_predictions(*predictions), *predictions);
}

TaskModel load_model(const cli::Arguments& args, const cli::Log& log, HeadKind head) {
  LoadOptions options = load_options(args, log);
  options.head = head;
  return load_task_model(std::string(args.text(kEvaluatedModel)), options, open_options(args));
}

AnswerOptions answer_options(const cli::Arguments& args) {
  AnswerOptions options;
  options.max_seq_len = args.maybe_integer(kMaxSeqLen);
  options.doc_stride = args.maybe_integer(kDocStride);
  options.max_answer_len = args.integer(kMaxAnswerLen);
  options.align_to_words = false;
  options.null_score_diff_threshold = args.number(kNullThreshold);
  options.n_best_size = args.integer(kNBestSize);
  options.encode = encode_options(args);
  return options;
}

tools::Scores score_model(const cli::Arguments& args, const cli::Log& log) {
  if (!args.given(kEvaluatedModel)) throw cli::UsageError("--model is required for this task");
  if (args.given(kPredictions)) throw cli::UsageError("--predictions is for --task squad alone");
  const std::string file(args.text(kFile));
  const auto show = args.flag(kNoProgress) ? io::ShowProgress::kNo : io::ShowProgress::kYes;
  if (args.text(kTask) == "question-answering") {
    const tools::SquadFile data = tools::read_squad(file);
    const TaskModel model = load_model(args, log, HeadKind::kQuestionAnswering);
    io::Progress progress(show, "questions", log);
    return tools::score_questions({model, session_options(args), tools::task_calls(), progress},
                                  data, answer_options(args));
  }
  const tools::LabelledColumns columns{std::string(args.text(kTextColumn)),
                                       std::string(args.text(kTextPairColumn)),
                                       std::string(args.text(kLabelColumn))};
  constexpr auto kAll = std::numeric_limits<std::int64_t>::max();
  if (args.text(kTask) == "token-classification") {
    const auto words =
        std::make_shared<const tools::TaggedWords>(tools::read_tagged(file, columns, kAll));
    const TaskModel model = load_model(args, log, HeadKind::kTokenClassification);
    io::Progress progress(show, "tokens", log);
    return tools::score_tags({model, session_options(args), tools::task_calls(), progress}, words,
                             args.maybe_integer(kMaxLength));
  }
  tools::LabelledTexts texts = tools::read_labelled(file, columns, kAll);
  const TaskModel model = load_model(args, log, HeadKind::kSequenceClassification);
  io::Progress progress(show, "texts", log);
  return tools::score_texts({model, session_options(args), tools::task_calls(), progress},
                            std::move(texts), sequence_options(args));
}

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  const tools::Scores scores =
      args.text(kTask) == "squad" ? score_predictions(args) : score_model(args, console.log);
  io::write_to(to, console.out, [&](const io::Sink& sink) {
    sink(args.flag(kJson) ? scores.json() : scores.table());
  });
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kEvaluate{
    .name = "evaluate",
    .summary = "Score a model, or stored answers, on a data set",
    .description =
        "text-classification: accuracy, F1 and Matthews' correlation of a classifier on texts with "
        "labels, read as linnet train reads them; Pearson's and Spearman's correlations of a "
        "regression; accuracy of whole rows and F1 of several labels at once. "
        "token-classification: precision, recall and F1 of the entities in words with tags, as "
        "conlleval counts them, and the accuracy of words. question-answering: a model answers the "
        "questions of SQuAD 1.1 or 2.0 as the "
        "evaluations of transformers do, and the answers are scored. squad: stored answers are "
        "scored; every question must have one. Scores of answers are the official ones, in per "
        "cent: exact match and F1, of version 2.0 also for the questions with (HasAns) and without "
        "(NoAns) an answer. Anything in a file that cannot be scored is an error.",
    .examples =
        "# a classifier on the labelled texts of a table\n"
        "linnet evaluate --model DIR --task text-classification --file dev.tsv\n"
        "# stored answers to SQuAD 2.0\n"
        "linnet evaluate --task squad --file dev-v2.0.json --predictions answers.json --json\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
