#include "tools/commands/commands.h"

namespace linnet::commands {
namespace {

constexpr const cli::Command* kAll[] = {
    &kClassify, &kTag,     &kAnswer,  &kFill,       &kRerank,     &kZeroShot, &kEmbed,
    &kSimilar,  &kRun,     &kSearch,  &kGenerate,   &kPerplexity, &kScore,    &kTokenize,
    &kDecode,   &kForward, &kInspect, &kConvert,    &kQuantize,   &kExport,   &kTrain,
    &kEvaluate, &kBench,   &kVersion, &kCompletion, &kMan,
};

}  // namespace

constinit const cli::Program kLinnet{
    .name = "linnet",
    .summary = "Run small transformers on ordinary CPUs",
    .commands = kAll,
};

}  // namespace linnet::commands
