#pragma once

#include "engine/models/encoder_session.h"
#include "tokenizer/options.h"
#include "tools/cli/arguments.h"
#include "tools/cli/program.h"
#include "tools/io/output.h"
#include "tools/io/text_source.h"
#include "weights/checkpoint.h"

// Options that several commands share. What they mean is written once, here.
namespace linnet::commands {

using cli::Kind;
using cli::Option;

inline constexpr Option kJson{.name = "json", .help = "Write JSON."};
inline constexpr Option kModel{.name = "model",
                               .kind = Kind::kDirectory,
                               .value = "DIR",
                               .help = "Model directory in Hugging Face layout.",
                               .letter = "m",
                               .required = true};
inline constexpr Option kFollowSymlinks{
    .name = "follow-symlinks",
    .help =
        "Follow symbolic links that lead out of the model directory; by default only those "
        "inside it, or inside the same repository of the Hub's cache."};
inline constexpr Option kNoFollowSymlinks{
    .name = "no-follow-symlinks", .help = "Follow no symbolic link in the model directory."};
inline constexpr Option kInput{
    .name = "input",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "Read texts from a file, - for standard input: one a line, or by its name .jsonl, .csv "
        "or .tsv; .gz and .zst are decompressed.",
    .letter = "i"};
inline constexpr Option kInputFormat{.name = "input-format",
                                     .kind = Kind::kChoice,
                                     .value = "FORMAT",
                                     .help = "Format of the input, whatever its name.",
                                     .choices = "text|jsonl|csv|tsv"};
inline constexpr Option kTextColumn{
    .name = "text-column",
    .kind = Kind::kText,
    .value = "NAME",
    .help = "Column or key of the text; guessed from names that are in use by default."};
inline constexpr Option kMaxLineBytes{.name = "max-line-bytes",
                                      .kind = Kind::kInteger,
                                      .value = "N",
                                      .help = "Longest line or record of the input.",
                                      .fallback = "16777216",
                                      .low = 1,
                                      .high = std::int64_t{1} << 30};
inline constexpr Option kInvalidUtf8{
    .name = "invalid-utf8",
    .kind = Kind::kChoice,
    .value = "WHAT",
    .help = "Text that is not UTF-8 is an error, or each bad sequence is read as U+FFFD.",
    .fallback = "error",
    .choices = "error|replace"};
inline constexpr Option kNoParseSpecial{
    .name = "no-parse-special",
    .help = "Read special tokens that stand in the text, such as [SEP], as ordinary text."};
inline constexpr Option kOutput{
    .name = "output",
    .kind = Kind::kFile,
    .value = "FILE",
    .help = "Write to a file instead of standard output; it appears when it is complete.",
    .letter = "o"};
inline constexpr Option kForce{.name = "force", .help = "Write over an existing file."};
inline constexpr Option kOutputDir{
    .name = "output-dir",
    .kind = Kind::kDirectory,
    .value = "DIR",
    .help = "The directory to write; it appears when it is complete.",
    .letter = "o",
    .required = true};
inline constexpr Option kReplace{.name = "force", .help = "Replace an existing model directory."};
inline constexpr Option kThreads{.name = "threads",
                                 .kind = Kind::kInteger,
                                 .value = "N",
                                 .help =
                                     "Threads to compute with, by default as many as this "
                                     "process may use. Results do not depend on it.",
                                 .letter = "t",
                                 .low = 1,
                                 .high = 4095};
inline constexpr Option kIsa{
    .name = "isa",
    .kind = Kind::kText,
    .value = "LEVEL",
    .help =
        "Instruction-set level to run at, the best of this machine by default. Every level gives "
        "the same bytes."};
inline constexpr Option kPrecision{
    .name = "precision",
    .kind = Kind::kChoice,
    .value = "WHAT",
    .help =
        "Compute the products of the layers in this precision. fp32 gives the same bytes on every "
        "machine; bf16 is quicker where the machine multiplies BF16, and gives no such promise.",
    .fallback = "fp32",
    .choices = "fp32|bf16"};
inline constexpr Option kBackend{
    .name = "backend",
    .kind = Kind::kChoice,
    .value = "NAME",
    .help =
        "Whose matrix products a model is computed with. Those of oneDNN, in its plug-in, are "
        "outside the promise of the same bytes.",
    .fallback = "linnet",
    .choices = "linnet|onednn"};

inline constexpr Option kWeights{
    .name = "weights",
    .kind = Kind::kChoice,
    .value = "HOW",
    .help =
        "Where the weights of an INT8 model are read from. map: the pages of its file, shared by "
        "all processes that use it. copy: a private copy on large pages, quicker where the weights "
        "do not fit the caches and slower to load. Other models are always copied.",
    .fallback = "map",
    .choices = "map|copy"};
inline constexpr Option kMlock{
    .name = "mlock",
    .help = "Keep the model in memory: its pages are read now and never given back."};
inline constexpr Option kNoProgress{.name = "no-progress", .help = "Show no progress."};

/// Those of every command that computes with a model.
inline constexpr const Option* kModelOptions[] = {
    &kThreads, &kIsa,   &kPrecision,      &kBackend,
    &kWeights, &kMlock, &kFollowSymlinks, &kNoFollowSymlinks};

/// kFollowSymlinks and kNoFollowSymlinks.
weights::OpenOptions open_options(const cli::Arguments& args);
/// kOutput and kForce.
io::Destination destination(const cli::Arguments& args);
/// kInputFormat, kMaxLineBytes, kInvalidUtf8 for the input of this name; the fields are the
/// caller's.
io::TextOptions text_options(const cli::Arguments& args, std::string_view input,
                             std::vector<FieldRequest> fields);
/// What --isa, --threads, --backend, --precision, --weights and --mlock say, for loading and for
/// running. A backend that leaves the promise of the same bytes is named in the log.
LoadOptions load_options(const cli::Arguments& args, const cli::Log& log);
SessionOptions session_options(const cli::Arguments& args);
/// kInvalidUtf8 and kNoParseSpecial.
tokenizer::EncodeOptions encode_options(const cli::Arguments& args);

/// Reports inputs that failed and counts them: the exit code of a command is 3 when there were any.
class Failures {
 public:
  explicit Failures(const cli::Log& log) : log_(log) {}
  void add(const std::string& place, std::string_view what);
  int exit_code() const;
  std::int64_t count() const { return count_; }

 private:
  const cli::Log& log_;
  std::int64_t count_ = 0;
};

}  // namespace linnet::commands
