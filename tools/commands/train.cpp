#include "tools/train/train.h"

#include <algorithm>

#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/commands/train_foreign.h"
#include "tools/commands/train_language.h"
#include "tools/commands/train_options.h"
#include "tools/task/options.h"

namespace linnet::commands {
namespace {

constexpr std::string_view kQuestions = "question-answering", kTags = "token-classification",
                           kLanguage = "language-modeling", kMasked = "masked-language-modeling";

// The options on which the result depends, for a run that is resumed.
constexpr const Option* kDecisive[] = {&kTrainFile,
                                       &kValidationFile,
                                       &kTask,
                                       &kTaskName,
                                       &kProblem,
                                       &kTextColumn,
                                       &kTextPairColumn,
                                       &kLabelColumn,
                                       &kTextColumnName,
                                       &kLabelColumnName,
                                       &kMaxSeqLength,
                                       &kBlockSize,
                                       &kMlmProbability,
                                       &kWholeWordMask,
                                       &kFromScratch,
                                       &kConfigOverrides,
                                       &kMaxSamples,
                                       &kMaxEvalSamples,
                                       &kMaxErrors,
                                       &kTrainDocStride,
                                       &kMaxAnswerLength,
                                       &kTrainNBest,
                                       &kTrainNullThreshold,
                                       &kBatch,
                                       &kAccumulation,
                                       &kNormalization,
                                       &kEpochs,
                                       &kMaxSteps,
                                       &kRate,
                                       &kScheduler,
                                       &kWarmupSteps,
                                       &kWarmupRatio,
                                       &kOptim,
                                       &kDecay,
                                       &kBeta1,
                                       &kBeta2,
                                       &kEpsilon,
                                       &kMaxNorm,
                                       &kSmoothing,
                                       &kSeed,
                                       &kDataSeed,
                                       &kGroup,
                                       &kFreeze,
                                       &kFreezeEmbeddings,
                                       &kRateDecay,
                                       &kEvalStrategy,
                                       &kEvaluationStrategy,
                                       &kEvalSteps,
                                       &kMetric,
                                       &kGreater,
                                       &kLoadBest,
                                       &kPatience,
                                       &kThreshold};

constexpr auto kOptions =
    cli::joined({&kTrainBase, &kTrainModel, &kTrainOutput, &kOverwrite, &kResume, &kResumeFrom},
                kDecisive, {&kTrainPrecision,
                            &kBf16,
                            &kDataCache,
                            &kOverwriteCache,
                            &kDoTrain,
                            &kDoEval,
                            &kTestFile,
                            &kDoPredict,
                            &kMaxPredictSamples,
                            &kRecompute,
                            &kLoggingStrategy,
                            &kLoggingSteps,
                            &kSaveStrategy,
                            &kSaveSteps,
                            &kSaveLimit,
                            &kThreads,
                            &kIsa,
                            &kNoProgress,
                            &kDisableTqdm,
                            &kGradientCheckpointing},
                kAccepted, kRefused);

tools::TrainTask task_of(const cli::Arguments& args) {
  std::string_view task = args.text(kTask);
  if (task.empty() && args.called() == "run_qa") task = kQuestions;
  if (task.empty() && args.called() == "run_ner") task = kTags;
  if (task.empty() && args.called() == "run_clm") task = kLanguage;
  if (task.empty() && args.called() == "run_mlm") task = kMasked;
  if (task == kLanguage) return tools::TrainTask::kLanguageModeling;
  if (task == kMasked) return tools::TrainTask::kMaskedLanguageModeling;
  if (task == kQuestions) return tools::TrainTask::kQuestionAnswering;
  return task == kTags ? tools::TrainTask::kTokenClassification
                       : tools::TrainTask::kTextClassification;
}

train::OptimizerOptions optimizer_options(const cli::Arguments& args) {
  train::OptimizerOptions o;
  o.kind = args.text(kOptim) == "sgd" ? train::OptimizerKind::kSgd : train::OptimizerKind::kAdamW;
  o.weight_decay = args.number(kDecay);
  o.beta1 = args.number(kBeta1);
  o.beta2 = args.number(kBeta2);
  o.epsilon = args.number(kEpsilon);
  o.max_grad_norm = args.number(kMaxNorm);
  return o;
}

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
  o.grouping = args.flag(kGroup) ? train::Grouping::kLength : train::Grouping::kNone;
  o.seed = static_cast<std::uint64_t>(args.integer(kSeed));
  o.data_seed =
      args.given(kDataSeed) ? static_cast<std::uint64_t>(args.integer(kDataSeed)) : o.seed;
  // Layer 0 are the embeddings: with the first block they are 2.
  const std::int64_t frozen = args.maybe_integer(kFreeze).value_or(0);
  o.layers.frozen = frozen > 0 ? frozen + 1 : args.flag(kFreezeEmbeddings) ? 1 : 0;
  o.layers.rate_decay = args.number(kRateDecay);
  o.optimizer = optimizer_options(args);
  return o;
}

// The value of an option under its own name or another.
std::string either(const cli::Arguments& args, const Option& option, const Option& other) {
  return std::string(args.text(args.given(option) ? option : other));
}

std::optional<ProblemType> problem_of(const cli::Arguments& args) {
  const std::string_view problem = args.text(kProblem);
  if (problem == "multi_label_classification") return ProblemType::kMultiLabel;
  if (problem == "regression" || (problem.empty() && args.text(kTaskName) == "stsb")) {
    return ProblemType::kRegression;
  }
  if (problem.empty()) return std::nullopt;
  return ProblemType::kSingleLabel;
}

std::int64_t max_length(const cli::Arguments& args, tools::TrainTask task) {
  using enum tools::TrainTask;
  if (task == kLanguageModeling && args.given(kBlockSize)) return args.integer(kBlockSize);
  const bool blocks = task == kLanguageModeling || task == kMaskedLanguageModeling;
  const std::int64_t otherwise = blocks ? 1024 : task == kQuestionAnswering ? 384 : 128;
  return args.maybe_integer(kMaxSeqLength).value_or(otherwise);
}

// The file whose records are to be answered to; empty when none are.
std::string test_file(const cli::Arguments& args, tools::TrainTask task) {
  const std::string file(args.text(kTestFile));
  const bool predicts = args.flag(kDoPredict);
  if (predicts && file.empty()) throw cli::UsageError("--do-predict needs --test-file");
  if (predicts && !args.flag(kDoTrain)) {
    throw cli::UsageError(
        "--do-predict without --do-train: linnet classify, answer and tag give the answers of a "
        "trained model");
  }
  if (!predicts && args.given(kDoTrain)) return "";
  using enum tools::TrainTask;
  if (!file.empty() && (task == kLanguageModeling || task == kMaskedLanguageModeling)) {
    throw cli::UsageError("--test-file: language modelling has nothing to answer");
  }
  return file;
}

tools::DataOptions data_options(const cli::Arguments& args) {
  tools::DataOptions o;
  o.task = task_of(args);
  o.train_file = args.text(kTrainFile);
  if (o.train_file.empty()) {
    throw cli::UsageError("--train-file is needed; data sets are not downloaded");
  }
  o.validation_file = args.text(kValidationFile);
  o.test_file = test_file(args, o.task);
  o.max_predict_samples = args.maybe_integer(kMaxPredictSamples).value_or(-1);
  o.task_name = args.text(kTaskName);
  o.columns = {either(args, kTextColumn, kTextColumnName), std::string(args.text(kTextPairColumn)),
               either(args, kLabelColumn, kLabelColumnName)};
  o.problem = problem_of(args);
  o.max_length = max_length(args, o.task);
  if (o.task == tools::TrainTask::kLanguageModeling) {
    o.block_size = args.maybe_integer(kBlockSize).value_or(0);
  }
  o.mlm_probability = args.number(kMlmProbability);
  o.whole_words = args.flag(kWholeWordMask);
  o.seed = static_cast<std::uint64_t>(args.integer(kSeed));
  o.max_train_samples = args.maybe_integer(kMaxSamples).value_or(-1);
  o.max_eval_samples = args.maybe_integer(kMaxEvalSamples).value_or(-1);
  o.max_errors = args.integer(kMaxErrors);
  o.doc_stride = args.integer(kTrainDocStride);
  o.max_answer_length = args.integer(kMaxAnswerLength);
  o.n_best_size = args.integer(kTrainNBest);
  o.null_score_diff_threshold = args.number(kTrainNullThreshold);
  return o;
}

tools::Interval interval(std::string_view strategy, std::int64_t steps) {
  if (strategy == "epoch") return {tools::Strategy::kEpoch, 0};
  return {strategy == "steps" ? tools::Strategy::kSteps : tools::Strategy::kNo, steps};
}

// What must be so for there to be a best model.
void check_best(const tools::RunOptions& o) {
  if (o.evaluation.is_off()) {
    throw cli::UsageError(
        "--load-best-model-at-end and --early-stopping-patience need --eval-strategy");
  }
  if (!o.load_best) return;
  const bool same = o.saving.strategy == o.evaluation.strategy;
  if (!same || (o.saving.strategy == tools::Strategy::kSteps &&
                (o.saving.steps == 0 || o.saving.steps % o.evaluation.steps != 0))) {
    throw cli::UsageError(
        "--load-best-model-at-end: what is scored has to be saved: --save-strategy must be "
        "--eval-strategy, and --save-steps a multiple of --eval-steps");
  }
}

tools::RunOptions run_options(const cli::Arguments& args) {
  tools::RunOptions o;
  o.output_dir = args.text(kTrainOutput);
  const std::int64_t logging = args.integer(kLoggingSteps);
  o.logging = interval(args.text(kLoggingStrategy), logging);
  o.saving = interval(args.text(kSaveStrategy), args.integer(kSaveSteps));
  o.evaluation =
      interval(args.text(args.given(kEvaluationStrategy) ? kEvaluationStrategy : kEvalStrategy),
               args.maybe_integer(kEvalSteps).value_or(logging > 0 ? logging : 500));
  if (!o.evaluation.is_off() && args.text(kValidationFile).empty()) {
    throw cli::UsageError("--eval-strategy needs --validation-file");
  }
  o.save_total_limit = args.integer(kSaveLimit);
  o.metric = args.text(kMetric);
  o.greater_is_better = args.given(kGreater) ? args.flag(kGreater) : !o.metric.ends_with("loss");
  o.load_best = args.flag(kLoadBest);
  o.patience = args.integer(kPatience);
  o.patience_threshold = args.number(kThreshold);
  if (o.load_best || o.patience > 0) check_best(o);
  return o;
}

// What scripts of transformers may be asked for and what means nothing here.
void look_at_foreign(const cli::Arguments& args, const cli::Log& log) {
  for (const Option* option : kRefused) {
    const bool wanted = option->kind == Kind::kFlag ? args.flag(*option) : args.given(*option);
    if (!wanted) continue;
    std::string_view why = option->help.substr(kRefusal.size());
    why.remove_suffix(1);  // the full stop
    throw cli::UsageError("--" + std::string(option->name) + ": " + std::string(why));
  }
  std::string names;
  for (const Option* option : kAccepted) {
    if (args.given(*option)) names += " --" + std::string(option->name);
  }
  if (!names.empty()) log.note("options that change nothing here:" + names);
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
  look_at_foreign(args, console.log);
  tools::TrainOptions o;
  o.model = either(args, kTrainBase, kTrainModel);
  if (o.model.empty()) throw cli::UsageError("--model is required");
  o.data = data_options(args);
  o.run = run_options(args);
  o.run.command = "--model " + o.model + " " + decisive(args);
  const std::string_view from = args.text(kResumeFrom);
  const bool newest = from == "true" || from == "True";
  if (args.flag(kResume) || !from.empty()) o.resume = tools::Resume::kYes;
  if (!newest) o.resume_from = from;
  o.directory =
      args.flag(kOverwrite) ? tools::UsedDirectory::kOverwrite : tools::UsedDirectory::kRefuse;
  const bool validates = !o.data.validation_file.empty(), evaluates = args.flag(kDoEval);
  if (evaluates && !validates) throw cli::UsageError("--do-eval needs --validation-file");
  if (evaluates && !args.flag(kDoTrain)) {
    throw cli::UsageError("--do-eval without --do-train: linnet evaluate scores a trained model");
  }
  o.evaluate_at_end = validates && (evaluates || !args.given(kDoTrain));
  if (args.given(kDataCache)) {
    o.data_cache = args.text(kDataCache) == "none" ? "" : args.text(kDataCache);
  }
  o.cache_use = args.flag(kOverwriteCache) ? tools::CacheUse::kRenew : tools::CacheUse::kReuse;
  o.load.isa = choose_isa(args.maybe(kIsa));
  o.threads = session_options(args).threads;
  o.trainer = trainer_options(args);
  const bool recompute = args.flag(kRecompute) || args.flag(kGradientCheckpointing);
  o.trainer.recompute = recompute ? Recompute::kYes : Recompute::kNo;
  const bool bf16 = args.flag(kBf16) || args.text(kTrainPrecision) == "bf16";
  if (bf16) o.run.command += "--precision bf16 ";
  o.trainer.precision = bf16 ? Precision::kBfloat16 : Precision::kFloat32;
  o.start = args.flag(kFromScratch) ? Start::kScratch : Start::kCheckpoint;
  o.config_overrides = args.text(kConfigOverrides);
  if (!o.config_overrides.empty() && o.start == Start::kCheckpoint) {
    throw cli::UsageError("--config-overrides needs --from-scratch");
  }
  const bool quiet = args.flag(kNoProgress) || args.flag(kDisableTqdm);
  const auto show = quiet ? io::ShowProgress::kNo : io::ShowProgress::kYes;
  const tools::TrainResult result = tools::train(o, show, console.log);
  if (result.signal != 0) return cli::kBySignal + result.signal;
  return result.broken > 0 ? cli::kSomeFailed : cli::kDone;
}

}  // namespace

constinit const cli::Command kTrain{
    .name = "train",
    .summary = "Fine-tune a model on labelled texts, tagged words or questions",
    .description =
        "Fine-tunes a BERT or DistilBERT on the texts, or pairs of texts, of a table: labels that "
        "are integers from 0 or words are classes, other numbers make it regression, arrays (in "
        "tables, with --problem-type, names between commas) are several labels at once; on words "
        "with tags; or on the questions of SQuAD. --task language-modeling trains a GPT-2 on a "
        "text file, masked-language-modeling a BERT or DistilBERT. Options have the names and "
        "defaults of the "
        "Trainer of transformers and of its examples, whose command lines run as they are. With a "
        "validation file the model is scored as linnet evaluate does it. The output directory gets "
        "the model, ready for every other command and for transformers, checkpoint-N directories, "
        "trainer_state.json and the results. The bytes of the model are a function of data, "
        "options and seed: threads, instruction-set level and interruptions change nothing. "
        "SIGINT and SIGTERM finish the step, save and exit with 130 or 143; --resume goes on.",
    .examples =
        "# sentiment from a table with the columns sentence and label\n"
        "linnet train --model models/all-MiniLM-L6-v2 --train-file train.tsv --output-dir out "
        "--num-train-epochs 2 --per-device-train-batch-size 32\n"
        "# the same run after it was interrupted: its options, and\n"
        "linnet train --model models/all-MiniLM-L6-v2 --train-file train.tsv --output-dir out "
        "--num-train-epochs 2 --per-device-train-batch-size 32 --resume\n"
        "# questions on texts, and the best of all epochs\n"
        "linnet run_qa --model_name_or_path models/all-MiniLM-L6-v2 --train_file train.json "
        "--validation_file dev.json --eval_strategy epoch --save_strategy epoch "
        "--load_best_model_at_end --metric_for_best_model f1 --output_dir out\n"
        "# a small GPT-2 from nothing, with the tokenizer of another\n"
        "linnet train --task language-modeling --model models/gpt2-yelp --from-scratch "
        "--config-overrides n_layer=4,n_embd=128,n_head=4 --train-file input.txt --block-size 128 "
        "--learning-rate 1e-3 --output-dir out\n",
    .options = kOptions,
    .run = run,
    .alias = "run_glue|run_qa|run_ner|run_clm|run_mlm",
};

}  // namespace linnet::commands
