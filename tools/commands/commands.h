#pragma once

#include "tools/cli/option.h"

// One constant for each sub-command, in the file of its name.
namespace linnet::commands {

extern const cli::Command kAnswer;
extern const cli::Command kBench;
extern const cli::Command kClassify;
extern const cli::Command kCompletion;
extern const cli::Command kConvert;
extern const cli::Command kQuantize;
extern const cli::Command kDecode;
extern const cli::Command kEmbed;
extern const cli::Command kEvaluate;
extern const cli::Command kExport;
extern const cli::Command kFill;
extern const cli::Command kForward;
extern const cli::Command kGenerate;
extern const cli::Command kInspect;
extern const cli::Command kMan;
extern const cli::Command kPerplexity;
extern const cli::Command kRerank;
extern const cli::Command kRun;
extern const cli::Command kScore;
extern const cli::Command kSearch;
extern const cli::Command kSimilar;
extern const cli::Command kTag;
extern const cli::Command kTokenize;
extern const cli::Command kTrain;
extern const cli::Command kVersion;
extern const cli::Command kZeroShot;

/// The program linnet with all of them.
extern const cli::Program kLinnet;

}  // namespace linnet::commands
