#pragma once

#include <algorithm>
#include <iterator>

#include "tools/commands/common.h"

// Options of transformers' scripts that a command line may carry: those that change nothing here
// are accepted with a note, those that ask for what is not there are refused.
namespace linnet::commands {

inline constexpr std::string_view kNoEffect = "Accepted; changes nothing here.";
// How the help of a refused option begins; what follows is the reason.
inline constexpr std::string_view kRefusal = "Refused: ";
inline constexpr std::string_view kNoDownloads =
    "Refused: data sets are not downloaded, --train-file and --validation-file name files.";

inline constexpr Option kPadToMaxLength{.name = "pad-to-max-length", .help = kNoEffect};
inline constexpr Option kCacheDir{
    .name = "cache-dir", .kind = Kind::kText, .value = "DIR", .help = kNoEffect};
inline constexpr Option kUseFastTokenizer{.name = "use-fast-tokenizer", .help = kNoEffect};
inline constexpr Option kPreprocessingNumWorkers{
    .name = "preprocessing-num-workers", .kind = Kind::kText, .value = "N", .help = kNoEffect};
inline constexpr Option kDataloaderNumWorkers{
    .name = "dataloader-num-workers", .kind = Kind::kText, .value = "N", .help = kNoEffect};
inline constexpr Option kPerDeviceEvalBatchSize{
    .name = "per-device-eval-batch-size", .kind = Kind::kText, .value = "N", .help = kNoEffect};
inline constexpr Option kEvalAccumulationSteps{
    .name = "eval-accumulation-steps", .kind = Kind::kText, .value = "N", .help = kNoEffect};
inline constexpr Option kReportTo{
    .name = "report-to", .kind = Kind::kText, .value = "NAME", .help = kNoEffect};
inline constexpr Option kLoggingDir{
    .name = "logging-dir", .kind = Kind::kText, .value = "DIR", .help = kNoEffect};
inline constexpr Option kRunName{
    .name = "run-name", .kind = Kind::kText, .value = "NAME", .help = kNoEffect};
inline constexpr Option kUseCpu{.name = "use-cpu", .help = kNoEffect};
inline constexpr Option kNoCuda{.name = "no-cuda", .help = kNoEffect};
inline constexpr Option kVersion2WithNegative{.name = "version-2-with-negative", .help = kNoEffect};
inline constexpr Option kModelRevision{
    .name = "model-revision", .kind = Kind::kText, .value = "NAME", .help = kNoEffect};
inline constexpr Option kRemoveUnusedColumns{.name = "remove-unused-columns", .help = kNoEffect};
inline constexpr Option kFp16{
    .name = "fp16", .help = "Refused: training computes in FP32 or, with --bf16, in BF16."};
inline constexpr Option kPushToHub{.name = "push-to-hub", .help = "Refused: nothing is uploaded."};
inline constexpr Option kTrustRemoteCode{.name = "trust-remote-code",
                                         .help = "Refused: code of models is never run."};
inline constexpr Option kDatasetName{
    .name = "dataset-name", .kind = Kind::kText, .value = "NAME", .help = kNoDownloads};
inline constexpr Option kDatasetConfigName{
    .name = "dataset-config-name", .kind = Kind::kText, .value = "NAME", .help = kNoDownloads};
inline constexpr Option kDeepspeed{.name = "deepspeed",
                                   .kind = Kind::kText,
                                   .value = "FILE",
                                   .help = "Refused: one process trains."};
inline constexpr Option kFsdp{
    .name = "fsdp", .kind = Kind::kText, .value = "NAME", .help = "Refused: one process trains."};
inline constexpr Option kGradientCheckpointing{.name = "gradient-checkpointing",
                                               .help = "As --recompute."};
inline constexpr Option kTorchCompile{.name = "torch-compile",
                                      .help = "Refused: there is no torch here."};
inline constexpr Option kIgnoreMismatchedSizes{
    .name = "ignore-mismatched-sizes", .help = "Refused: a head of another size is an error."};
inline constexpr Option kDataloaderDropLast{.name = "dataloader-drop-last",
                                            .help = "Refused: every example is trained on."};
inline constexpr Option kConfigName{.name = "config-name",
                                    .kind = Kind::kText,
                                    .value = "DIR",
                                    .help = "Refused: the configuration is the model's own."};
inline constexpr Option kTokenizerName{.name = "tokenizer-name",
                                       .kind = Kind::kText,
                                       .value = "DIR",
                                       .help = "Refused: the tokenizer is the model's own."};

inline constexpr const Option* kAccepted[] = {&kPadToMaxLength,
                                              &kCacheDir,
                                              &kUseFastTokenizer,
                                              &kPreprocessingNumWorkers,
                                              &kDataloaderNumWorkers,
                                              &kPerDeviceEvalBatchSize,
                                              &kEvalAccumulationSteps,
                                              &kReportTo,
                                              &kLoggingDir,
                                              &kRunName,
                                              &kUseCpu,
                                              &kNoCuda,
                                              &kVersion2WithNegative,
                                              &kModelRevision,
                                              &kRemoveUnusedColumns};

inline constexpr const Option* kRefused[] = {
    &kFp16,       &kPushToHub,    &kTrustRemoteCode, &kDatasetName,           &kDatasetConfigName,
    &kDeepspeed,  &kFsdp,         &kTorchCompile,    &kIgnoreMismatchedSizes, &kDataloaderDropLast,
    &kConfigName, &kTokenizerName};
static_assert(std::all_of(std::begin(kRefused), std::end(kRefused), [](const Option* option) {
  return option->help.starts_with(kRefusal) && option->help.ends_with('.');
}));

}  // namespace linnet::commands
