#pragma once

#include "tools/commands/common.h"

// The options of `linnet train`, with the names and defaults of the Trainer of transformers and of
// its examples run_glue, run_qa and run_ner.
namespace linnet::commands {

inline constexpr Option kTrainModel{.name = "model-name-or-path",
                                    .kind = Kind::kDirectory,
                                    .value = "DIR",
                                    .help = "Another name of --model."};
inline constexpr Option kTrainBase{
    .name = "model",
    .kind = Kind::kDirectory,
    .value = "DIR",
    .help = "BERT or DistilBERT to begin with; a new head is initialised.",
    .letter = "m"};
inline constexpr Option kTrainFile{
    .name = "train-file",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "Texts with labels as .tsv, .csv or .jsonl, words with tags in "
        "columns or as .jsonl, or the JSON of SQuAD."};
inline constexpr Option kTrainOutput{
    .name = "output-dir",
    .kind = Kind::kDirectory,
    .value = "DIR",
    .help = "Where the model, its checkpoints and the record of the run go.",
    .letter = "o",
    .required = true};
inline constexpr Option kOverwrite{
    .name = "overwrite-output-dir",
    .help = "Train into a directory that is not empty, from the start."};
inline constexpr Option kResume{
    .name = "resume",
    .help = "Go on from the newest complete checkpoint of the output directory, if there is one."};
inline constexpr Option kTrainPrecision{
    .name = "precision",
    .kind = Kind::kChoice,
    .value = "TYPE",
    .help =
        "Compute the products of the layers in this precision. bf16 rounds what is multiplied, and "
        "is faster where the machine has instructions for it; weights and sums stay FP32. Its "
        "bytes "
        "may differ from level to level.",
    .fallback = "fp32",
    .choices = "fp32|bf16"};
inline constexpr Option kBf16{.name = "bf16", .help = "As --precision bf16."};
inline constexpr Option kDataCache{
    .name = "data-cache",
    .kind = Kind::kText,
    .value = "DIR",
    .help =
        "Where the tokens of the files are kept for further runs; none: nowhere. By default in the "
        "output directory, until the run has ended."};
inline constexpr Option kOverwriteCache{.name = "overwrite-cache",
                                        .help = "Make the kept tokens anew."};
inline constexpr Option kTask{
    .name = "task",
    .kind = Kind::kChoice,
    .value = "TASK",
    .help =
        "What is learnt; by default what the name of the command says, run_qa, run_ner, run_clm or "
        "run_mlm, else "
        "text-classification.",
    .choices =
        "text-classification|token-classification|question-answering|language-modeling|"
        "masked-language-modeling"};
inline constexpr Option kTaskName{
    .name = "task-name",
    .kind = Kind::kChoice,
    .value = "NAME",
    .help = "A task of GLUE, as run_glue has it: stsb makes it regression. Or that of run_ner.",
    .choices = "cola|mnli|mrpc|qnli|qqp|rte|sst2|stsb|wnli|ner|pos|chunk"};
inline constexpr Option kProblem{
    .name = "problem-type",
    .kind = Kind::kChoice,
    .value = "TYPE",
    .help = "What labels of texts are; by default they say it themselves.",
    .choices = "single_label_classification|multi_label_classification|regression"};
inline constexpr Option kValidationFile{
    .name = "validation-file",
    .kind = Kind::kFile,
    .value = "FILE",
    .help = "What the model is scored on, while it is trained and at the end."};
inline constexpr Option kLabelColumn{.name = "label-column",
                                     .kind = Kind::kText,
                                     .value = "NAME",
                                     .help = "Column or key of the label; guessed by default."};
inline constexpr Option kMaxSeqLength{
    .name = "max-seq-length",
    .kind = Kind::kInteger,
    .value = "N",
    .help =
        "Longer inputs are cut to so many tokens, or into windows of so many; by "
        "default 128, of questions 384, of masked language modelling the model's positions, up to "
        "1024.",
    .low = 3};
inline constexpr Option kMaxSamples{.name = "max-train-samples",
                                    .kind = Kind::kInteger,
                                    .value = "N",
                                    .help = "Train on the first N records only.",
                                    .low = 1};
inline constexpr Option kBatch{.name = "per-device-train-batch-size",
                               .kind = Kind::kInteger,
                               .value = "N",
                               .help = "Examples of a batch.",
                               .fallback = "8",
                               .low = 1,
                               .high = 1 << 20};
inline constexpr Option kAccumulation{.name = "gradient-accumulation-steps",
                                      .kind = Kind::kInteger,
                                      .value = "N",
                                      .help = "Batches of an optimizer step.",
                                      .fallback = "1",
                                      .low = 1,
                                      .high = 1 << 20};
inline constexpr Option kNormalization{
    .name = "loss-normalization",
    .kind = Kind::kChoice,
    .value = "WHAT",
    .help = "Divide the loss by the labels of the whole step, or average the means of its batches.",
    .fallback = "tokens",
    .choices = "tokens|micro-batch-mean"};
inline constexpr Option kEpochs{.name = "num-train-epochs",
                                .kind = Kind::kNumber,
                                .value = "X",
                                .help = "Passes over the examples.",
                                .fallback = "3.0"};
inline constexpr Option kMaxSteps{.name = "max-steps",
                                  .kind = Kind::kInteger,
                                  .value = "N",
                                  .help = "Optimizer steps instead of epochs.",
                                  .fallback = "-1",
                                  .low = -1};
inline constexpr Option kRate{.name = "learning-rate",
                              .kind = Kind::kNumber,
                              .value = "X",
                              .help = "The rate that the schedule multiplies.",
                              .fallback = "5e-5"};
inline constexpr Option kScheduler{
    .name = "lr-scheduler-type",
    .kind = Kind::kChoice,
    .value = "NAME",
    .help = "How the rate goes over the steps.",
    .fallback = "linear",
    .choices = "linear|cosine|constant|constant_with_warmup|polynomial"};
inline constexpr Option kWarmupSteps{.name = "warmup-steps",
                                     .kind = Kind::kNumber,
                                     .value = "N",
                                     .help = "Steps in which the rate rises; below 1: their share.",
                                     .fallback = "0"};
inline constexpr Option kWarmupRatio{.name = "warmup-ratio",
                                     .kind = Kind::kNumber,
                                     .value = "X",
                                     .help = "Share of the steps in which the rate rises.",
                                     .fallback = "0",
                                     .low = 0,
                                     .high = 1};
inline constexpr Option kOptim{.name = "optim",
                               .kind = Kind::kChoice,
                               .value = "NAME",
                               .help = "The optimizer.",
                               .fallback = "adamw_torch",
                               .choices = "adamw_torch|adamw_torch_fused|sgd"};
inline constexpr Option kDecay{.name = "weight-decay",
                               .kind = Kind::kNumber,
                               .value = "X",
                               .help = "Weight decay; never of biases and LayerNorms.",
                               .fallback = "0"};
inline constexpr Option kBeta1{.name = "adam-beta1",
                               .kind = Kind::kNumber,
                               .value = "X",
                               .help = "Decay of AdamW's mean of gradients.",
                               .fallback = "0.9"};
inline constexpr Option kBeta2{.name = "adam-beta2",
                               .kind = Kind::kNumber,
                               .value = "X",
                               .help = "Decay of AdamW's mean of squares.",
                               .fallback = "0.999"};
inline constexpr Option kEpsilon{.name = "adam-epsilon",
                                 .kind = Kind::kNumber,
                                 .value = "X",
                                 .help = "What AdamW adds to its denominator.",
                                 .fallback = "1e-8"};
inline constexpr Option kMaxNorm{.name = "max-grad-norm",
                                 .kind = Kind::kNumber,
                                 .value = "X",
                                 .help = "Gradients are scaled down to this norm; 0: never.",
                                 .fallback = "1.0"};
inline constexpr Option kSmoothing{.name = "label-smoothing-factor",
                                   .kind = Kind::kNumber,
                                   .value = "X",
                                   .help = "Share of every label that goes to all classes alike.",
                                   .fallback = "0"};
inline constexpr Option kSeed{.name = "seed",
                              .kind = Kind::kInteger,
                              .value = "N",
                              .help = "Of the order of examples, dropout and a new head.",
                              .fallback = "42",
                              .low = 0};
inline constexpr Option kLoggingSteps{.name = "logging-steps",
                                      .kind = Kind::kInteger,
                                      .value = "N",
                                      .help = "Steps between two entries of the log; 0: none.",
                                      .fallback = "500",
                                      .low = 0};
inline constexpr Option kSaveSteps{.name = "save-steps",
                                   .kind = Kind::kInteger,
                                   .value = "N",
                                   .help = "Steps between two checkpoints; 0: only at the end.",
                                   .fallback = "500",
                                   .low = 0};
inline constexpr Option kSaveLimit{.name = "save-total-limit",
                                   .kind = Kind::kInteger,
                                   .value = "N",
                                   .help = "Checkpoints that are kept, the newest; 0: all.",
                                   .fallback = "0",
                                   .low = 0};
inline constexpr Option kMaxEvalSamples{.name = "max-eval-samples",
                                        .kind = Kind::kInteger,
                                        .value = "N",
                                        .help = "Score the first N records only.",
                                        .low = 1};
inline constexpr Option kTestFile{
    .name = "test-file",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "What the result answers to, in files as run_glue, run_ner and run_qa write them; texts "
        "need no labels."};
inline constexpr Option kMaxPredictSamples{.name = "max-predict-samples",
                                           .kind = Kind::kInteger,
                                           .value = "N",
                                           .help = "Answer to the first N records only.",
                                           .low = 1};
inline constexpr Option kDoPredict{
    .name = "do-predict", .help = "Answer to the test file, as is done without do-train too."};
inline constexpr Option kMaxErrors{
    .name = "max-errors",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "Broken records of texts that are passed over, of each file; the exit code is then 3.",
    .fallback = "0",
    .low = 0};
inline constexpr Option kDoTrain{.name = "do-train",
                                 .help = "Train; the only thing that is done without do-eval."};
inline constexpr Option kDoEval{
    .name = "do-eval",
    .help = "Score the result on the validation file, as is done without do-train too."};
inline constexpr Option kResumeFrom{.name = "resume-from-checkpoint",
                                    .kind = Kind::kText,
                                    .value = "DIR",
                                    .help = "Go on from this checkpoint; true: as --resume."};
inline constexpr Option kDataSeed{.name = "data-seed",
                                  .kind = Kind::kInteger,
                                  .value = "N",
                                  .help = "Of the order of examples, in place of --seed.",
                                  .low = 0};
inline constexpr Option kGroup{.name = "group-by-length",
                               .help = "Examples of like length come together."};
inline constexpr Option kFreeze{.name = "freeze-layers",
                                .kind = Kind::kInteger,
                                .value = "N",
                                .help = "The embeddings and the lowest N layers stay as they are.",
                                .low = 0,
                                .high = 4096};
inline constexpr Option kFreezeEmbeddings{.name = "freeze-embeddings",
                                          .help = "The embeddings stay as they are."};
inline constexpr Option kRateDecay{
    .name = "layerwise-lr-decay",
    .kind = Kind::kNumber,
    .value = "X",
    .help =
        "The learning rate of a layer is X times that of the one above; the head has all of it.",
    .fallback = "1",
    .low = 0,
    .high = 1};
inline constexpr Option kLoggingStrategy{.name = "logging-strategy",
                                         .kind = Kind::kChoice,
                                         .value = "WHEN",
                                         .help = "When the loss is logged.",
                                         .fallback = "steps",
                                         .choices = "no|steps|epoch"};
inline constexpr Option kSaveStrategy{
    .name = "save-strategy",
    .kind = Kind::kChoice,
    .value = "WHEN",
    .help =
        "When a checkpoint is saved; the last one comes at the end, of no at interruptions alone.",
    .fallback = "steps",
    .choices = "no|steps|epoch"};
inline constexpr Option kEvalStrategy{
    .name = "eval-strategy",
    .kind = Kind::kChoice,
    .value = "WHEN",
    .help = "When the model in training is scored; of steps and epoch also at the end.",
    .fallback = "no",
    .choices = "no|steps|epoch"};
inline constexpr Option kEvaluationStrategy{.name = "evaluation-strategy",
                                            .kind = Kind::kChoice,
                                            .value = "WHEN",
                                            .help = "Another name of --eval-strategy.",
                                            .choices = "no|steps|epoch"};
inline constexpr Option kEvalSteps{
    .name = "eval-steps",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "Steps between two evaluations; by default those of the log.",
    .low = 1};
inline constexpr Option kLoadBest{
    .name = "load-best-model-at-end",
    .help = "The result is the model with the best score of all checkpoints, which is kept."};
inline constexpr Option kMetric{.name = "metric-for-best-model",
                                .kind = Kind::kText,
                                .value = "NAME",
                                .help = "The score that says which model is best.",
                                .fallback = "loss"};
inline constexpr Option kGreater{.name = "greater-is-better",
                                 .help = "Of that score; by default of all but losses."};
inline constexpr Option kPatience{
    .name = "early-stopping-patience",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "Training ends after N evaluations in a row without improvement; 0: never.",
    .fallback = "0",
    .low = 0};
inline constexpr Option kThreshold{.name = "early-stopping-threshold",
                                   .kind = Kind::kNumber,
                                   .value = "X",
                                   .help = "Less is no improvement.",
                                   .fallback = "0",
                                   .low = 0};
inline constexpr Option kTrainDocStride{
    .name = "doc-stride",
    .kind = Kind::kInteger,
    .value = "N",
    .help = "Tokens that neighbouring windows of a context share.",
    .fallback = "128",
    .low = 0};
inline constexpr Option kMaxAnswerLength{.name = "max-answer-length",
                                         .kind = Kind::kInteger,
                                         .value = "N",
                                         .help = "Longest answer in tokens.",
                                         .fallback = "30",
                                         .low = 1};
inline constexpr Option kTrainNBest{.name = "n-best-size",
                                    .kind = Kind::kInteger,
                                    .value = "N",
                                    .help = "Starts and ends of a window that are tried.",
                                    .fallback = "20",
                                    .low = 1,
                                    .high = 10000};
inline constexpr Option kTrainNullThreshold{
    .name = "null-score-diff-threshold",
    .kind = Kind::kNumber,
    .value = "X",
    .help = "No answer when its logits exceed those of the best answer by more than X.",
    .fallback = "0"};
inline constexpr Option kTextColumnName{.name = "text-column-name",
                                        .kind = Kind::kText,
                                        .value = "NAME",
                                        .help = "Another name of --text-column."};
inline constexpr Option kLabelColumnName{.name = "label-column-name",
                                         .kind = Kind::kText,
                                         .value = "NAME",
                                         .help = "Another name of --label-column."};
inline constexpr Option kDisableTqdm{.name = "disable-tqdm",
                                     .help = "Another name of --no-progress."};

}  // namespace linnet::commands
