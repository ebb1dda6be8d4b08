#include "tools/train/train.h"

#include <algorithm>

#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/task/options.h"

namespace linnet::commands {
namespace {

constexpr Option kTrainModel{.name = "model-name-or-path",
                             .kind = Kind::kDirectory,
                             .value = "DIR",
                             .help = "Another name of --model."};
constexpr Option kTrainBase{.name = "model",
                            .kind = Kind::kDirectory,
                            .value = "DIR",
                            .help = "BERT or DistilBERT to begin with; a new head is initialised.",
                            .letter = "m"};
constexpr Option kTrainFile{.name = "train-file",
                            .kind = Kind::kFile,
                            .value = "FILE",
                            .help = "Texts with labels: .tsv, .csv or .jsonl, also compressed.",
                            .required = true};
constexpr Option kTrainOutput{
    .name = "output-dir",
    .kind = Kind::kDirectory,
    .value = "DIR",
    .help = "Where the model, its checkpoints and the record of the run go.",
    .letter = "o",
    .required = true};
constexpr Option kOverwrite{.name = "overwrite-output-dir",
                            .help = "Train into a directory that is not empty, from the start."};
constexpr Option kResume{
    .name = "resume",
    .help = "Go on from the newest complete checkpoint of the output directory, if there is one."};
constexpr Option kTask{.name = "task",
                       .kind = Kind::kChoice,
                       .value = "TASK",
                       .help = "What is learnt.",
                       .fallback = "text-classification",
                       .choices = "text-classification"};
constexpr Option kLabelColumn{.name = "label-column",
                              .kind = Kind::kText,
                              .value = "NAME",
                              .help = "Column or key of the label; guessed by default."};
constexpr Option kMaxSeqLength{.name = "max-seq-length",
                               .kind = Kind::kInteger,
                               .value = "N",
                               .help = "Longer inputs are cut to so many tokens.",
                               .fallback = "128",
                               .low = 3};
constexpr Option kMaxSamples{.name = "max-train-samples",
                             .kind = Kind::kInteger,
                             .value = "N",
                             .help = "Train on the first N records only.",
                             .low = 1};
constexpr Option kBatch{.name = "per-device-train-batch-size",
                        .kind = Kind::kInteger,
                        .value = "N",
                        .help = "Examples of a batch.",
                        .fallback = "8",
                        .low = 1,
                        .high = 1 << 20};
constexpr Option kAccumulation{.name = "gradient-accumulation-steps",
                               .kind = Kind::kInteger,
                               .value = "N",
                               .help = "Batches of an optimizer step.",
                               .fallback = "1",
                               .low = 1,
                               .high = 1 << 20};
constexpr Option kNormalization{
    .name = "loss-normalization",
    .kind = Kind::kChoice,
    .value = "WHAT",
    .help = "Divide the loss by the labels of the whole step, or average the means of its batches.",
    .fallback = "tokens",
    .choices = "tokens|micro-batch-mean"};
constexpr Option kEpochs{.name = "num-train-epochs",
                         .kind = Kind::kNumber,
                         .value = "X",
                         .help = "Passes over the examples.",
                         .fallback = "3.0"};
constexpr Option kMaxSteps{.name = "max-steps",
                           .kind = Kind::kInteger,
                           .value = "N",
                           .help = "Optimizer steps instead of epochs.",
                           .fallback = "-1",
                           .low = -1};
constexpr Option kRate{.name = "learning-rate",
                       .kind = Kind::kNumber,
                       .value = "X",
                       .help = "The rate that the schedule multiplies.",
                       .fallback = "5e-5"};
constexpr Option kScheduler{.name = "lr-scheduler-type",
                            .kind = Kind::kChoice,
                            .value = "NAME",
                            .help = "How the rate goes over the steps.",
                            .fallback = "linear",
                            .choices = "linear|cosine|constant|constant_with_warmup|polynomial"};
constexpr Option kWarmupSteps{.name = "warmup-steps",
                              .kind = Kind::kNumber,
                              .value = "N",
                              .help = "Steps in which the rate rises; below 1: their share.",
                              .fallback = "0"};
constexpr Option kWarmupRatio{.name = "warmup-ratio",
                              .kind = Kind::kNumber,
                              .value = "X",
                              .help = "Share of the steps in which the rate rises.",
                              .fallback = "0",
                              .low = 0,
                              .high = 1};
constexpr Option kOptim{.name = "optim",
                        .kind = Kind::kChoice,
                        .value = "NAME",
                        .help = "The optimizer.",
                        .fallback = "adamw_torch",
                        .choices = "adamw_torch|sgd"};
constexpr Option kDecay{.name = "weight-decay",
                        .kind = Kind::kNumber,
                        .value = "X",
                        .help = "Weight decay; never of biases and LayerNorms.",
                        .fallback = "0"};
constexpr Option kBeta1{.name = "adam-beta1",
                        .kind = Kind::kNumber,
                        .value = "X",
                        .help = "Decay of AdamW's mean of gradients.",
                        .fallback = "0.9"};
constexpr Option kBeta2{.name = "adam-beta2",
                        .kind = Kind::kNumber,
                        .value = "X",
                        .help = "Decay of AdamW's mean of squares.",
                        .fallback = "0.999"};
constexpr Option kEpsilon{.name = "adam-epsilon",
                          .kind = Kind::kNumber,
                          .value = "X",
                          .help = "What AdamW adds to its denominator.",
                          .fallback = "1e-8"};
constexpr Option kMaxNorm{.name = "max-grad-norm",
                          .kind = Kind::kNumber,
                          .value = "X",
                          .help = "Gradients are scaled down to this norm; 0: never.",
                          .fallback = "1.0"};
constexpr Option kSmoothing{.name = "label-smoothing-factor",
                            .kind = Kind::kNumber,
                            .value = "X",
                            .help = "Share of every label that goes to all classes alike.",
                            .fallback = "0"};
constexpr Option kSeed{.name = "seed",
                       .kind = Kind::kInteger,
                       .value = "N",
                       .help = "Of the order of examples, dropout and a new head.",
                       .fallback = "42",
                       .low = 0};
constexpr Option kLoggingSteps{.name = "logging-steps",
                               .kind = Kind::kInteger,
                               .value = "N",
                               .help = "Steps between two entries of the log; 0: none.",
                               .fallback = "500",
                               .low = 0};
constexpr Option kSaveSteps{.name = "save-steps",
                            .kind = Kind::kInteger,
                            .value = "N",
                            .help = "Steps between two checkpoints; 0: only at the end.",
                            .fallback = "500",
                            .low = 0};
constexpr Option kSaveLimit{.name = "save-total-limit",
                            .kind = Kind::kInteger,
                            .value = "N",
                            .help = "Checkpoints that are kept, the newest; 0: all.",
                            .fallback = "0",
                            .low = 0};

constexpr const Option* kOptions[] = {
    &kTask,      &kTrainBase,    &kTrainModel,     &kTrainFile,   &kTrainOutput,  &kOverwrite,
    &kResume,    &kTextColumn,   &kTextPairColumn, &kLabelColumn, &kMaxSeqLength, &kMaxSamples,
    &kBatch,     &kAccumulation, &kNormalization,  &kEpochs,      &kMaxSteps,     &kRate,
    &kScheduler, &kWarmupSteps,  &kWarmupRatio,    &kOptim,       &kDecay,        &kBeta1,
    &kBeta2,     &kEpsilon,      &kMaxNorm,        &kSmoothing,   &kSeed,         &kLoggingSteps,
    &kSaveSteps, &kSaveLimit,    &kThreads,        &kIsa,         &kNoProgress};

// The options on which the parameters depend, for a run that is resumed.
constexpr const Option* kDecisive[] = {
    &kTrainFile, &kTextColumn,   &kTextPairColumn, &kLabelColumn, &kMaxSeqLength, &kMaxSamples,
    &kBatch,     &kAccumulation, &kNormalization,  &kEpochs,      &kMaxSteps,     &kRate,
    &kScheduler, &kWarmupSteps,  &kWarmupRatio,    &kOptim,       &kDecay,        &kBeta1,
    &kBeta2,     &kEpsilon,      &kMaxNorm,        &kSmoothing,   &kSeed};

train::TrainerOptions trainer_options(const cli::Arguments& args) {
  train::TrainerOptions o;
  o.batch_size = args.integer(kBatch);
  o.accumulation = args.integer(kAccumulation);
  o.normalization = args.text(kNormalization) == "tokens"
                        ? train::LossNormalization::kTokens
                        : train::LossNormalization::kMicroBatchMean;
  o.epochs = args.number(kEpochs);
  o.max_steps = args.integer(kMaxSteps);
  o.learning_rate = args.number(kRate);
  o.schedule = *train::schedule_of(args.text(kScheduler));
  o.warmup = args.number(kWarmupSteps);
  // From 1 on a warm-up is a number of steps: a share of 1 is the number just below.
  if (o.warmup == 0) o.warmup = std::min(args.number(kWarmupRatio), 0x1.fffffffffffffp-1);
  o.label_smoothing = args.number(kSmoothing);
  o.seed = static_cast<std::uint64_t>(args.integer(kSeed));
  o.optimizer.kind =
      args.text(kOptim) == "sgd" ? train::OptimizerKind::kSgd : train::OptimizerKind::kAdamW;
  o.optimizer.weight_decay = args.number(kDecay);
  o.optimizer.beta1 = args.number(kBeta1);
  o.optimizer.beta2 = args.number(kBeta2);
  o.optimizer.epsilon = args.number(kEpsilon);
  o.optimizer.max_grad_norm = args.number(kMaxNorm);
  return o;
}

std::string decisive(const cli::Arguments& args) {
  std::string text;
  for (const Option* option : kDecisive) {
    const std::string_view value = args.text(*option);
    if (!value.empty()) text += "--" + std::string(option->name) + " " + std::string(value) + " ";
  }
  return text;
}

int run(const cli::Arguments& args, cli::Console& console) {
  tools::TrainOptions o;
  o.model = args.text(args.given(kTrainBase) ? kTrainBase : kTrainModel);
  if (o.model.empty()) throw cli::UsageError("--model is required");
  o.train_file = args.text(kTrainFile);
  o.output_dir = args.text(kTrainOutput);
  o.columns = {std::string(args.text(kTextColumn)), std::string(args.text(kTextPairColumn)),
               std::string(args.text(kLabelColumn))};
  o.max_length = args.integer(kMaxSeqLength);
  o.max_samples = args.maybe_integer(kMaxSamples).value_or(-1);
  o.logging_steps = args.integer(kLoggingSteps);
  o.save_steps = args.integer(kSaveSteps);
  o.save_total_limit = args.integer(kSaveLimit);
  o.resume = args.flag(kResume) ? tools::Resume::kYes : tools::Resume::kNo;
  o.directory =
      args.flag(kOverwrite) ? tools::UsedDirectory::kOverwrite : tools::UsedDirectory::kRefuse;
  o.load.isa = choose_isa(args.maybe(kIsa));
  o.threads = session_options(args).threads;
  o.trainer = trainer_options(args);
  o.command = "--model " + o.model + " " + decisive(args);
  const auto show = args.flag(kNoProgress) ? io::ShowProgress::kNo : io::ShowProgress::kYes;
  const tools::TrainResult result = tools::train_classifier(o, show, console.log);
  return result.signal == 0 ? cli::kDone : cli::kBySignal + result.signal;
}

}  // namespace

constinit const cli::Command kTrain{
    .name = "train",
    .summary = "Fine-tune a sequence classifier on labelled texts",
    .description =
        "Fine-tunes a BERT or DistilBERT on the texts, or pairs of texts, of a table. Labels that "
        "are integers from 0 or words are classes, other numbers make it regression. Options have "
        "the names and defaults of the Trainer of transformers. The output directory gets the "
        "model, ready for every other command and for transformers, checkpoint-N directories, "
        "trainer_state.json and train_results.json. The bytes of the model are a function of "
        "data, options and seed: threads, instruction-set level and interruptions change nothing. "
        "SIGINT and SIGTERM finish the step, save and exit with 130 or 143; --resume goes on.",
    .examples =
        "# sentiment from a table with the columns sentence and label\n"
        "linnet train --model models/all-MiniLM-L6-v2 --train-file train.tsv --output-dir out "
        "--num-train-epochs 2 --per-device-train-batch-size 32\n"
        "# the same run after it was interrupted: its options, and\n"
        "linnet train --model models/all-MiniLM-L6-v2 --train-file train.tsv --output-dir out "
        "--num-train-epochs 2 --per-device-train-batch-size 32 --resume\n",
    .options = kOptions,
    .run = run,
    .alias = "run_glue",
};

}  // namespace linnet::commands
