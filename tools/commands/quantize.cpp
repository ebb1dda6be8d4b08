#include "tools/convert/quantize.h"

#include <exception>
#include <string>

#include "engine/core/available_threads.h"
#include "engine/core/context.h"
#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/convert/speed_check.h"

namespace linnet::commands {
namespace {

constexpr Option kSource{.name = "model",
                         .kind = Kind::kDirectory,
                         .value = "DIR",
                         .help = "Model directory in Hugging Face layout; or the first word.",
                         .letter = "m"};
constexpr Option kTarget{
    .name = "output-dir",
    .kind = Kind::kDirectory,
    .value = "DIR",
    .help = "The directory to write, which appears when it is complete; or the second word.",
    .letter = "o"};
constexpr Option kScheme{
    .name = "scheme",
    .kind = Kind::kChoice,
    .value = "NAME",
    .help =
        "plain: every row of activations and every output channel by its greatest magnitude. "
        "rotated, the default: inputs are rotated first, which spreads outliers; no data is "
        "needed. calibrated: also smoothing factors and second-order rounding of the weights, from "
        "--calibration-file, or from random ids.",
    .choices = "plain|rotated|calibrated"};
constexpr Option kCalibrationFile{
    .name = "calibration-file",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "Text to calibrate with, a sentence a line, never what the model is measured on; a few "
        "hundred lines are enough. Asks for --scheme calibrated."};
constexpr Option kAttention{
    .name = "attention",
    .kind = Kind::kChoice,
    .value = "FORMAT",
    .help =
        "What the attention of the model computes in: exact INT8, which is the default, or FP32, "
        "the default of --scheme plain, and what a gpt2 has.",
    .choices = "f32|i8"};
constexpr Option kKeepFp32{
    .name = "keep-fp32",
    .kind = Kind::kText,
    .value = "LAYER",
    .help =
        "A layer that stays in FP32, by the end of its name: 0.intermediate.dense, or "
        "intermediate.dense for that of every block; wte of a gpt2 whose product with the "
        "vocabulary is tied to its embeddings.",
    .repeatable = true};
constexpr Option kKeepBelow{
    .name = "keep-below",
    .kind = Kind::kNumber,
    .value = "DB",
    .help =
        "Measure on random ids what every layer loses, and leave in FP32 those whose signal to "
        "noise is below so many decibels. linnet.json names them.",
    .low = 0};
constexpr Option kReport{
    .name = "report",
    .help =
        "Measure on random ids what each step of the scheme brings: signal to noise of every "
        "layer, cosine at the output."};
constexpr Option kEvalFile{
    .name = "eval-file",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "Score the model before and after on these records: embeddings by their cosine, "
        "classifications by accuracy where there is a column label, a language model by its "
        "perplexity, the file being one text. linnet.json keeps it."};
constexpr Option kMaxDrop{.name = "max-drop",
                          .kind = Kind::kNumber,
                          .value = "X",
                          .help =
                              "Write nothing if the first score of --eval-file falls by more; a "
                              "perplexity that grows by more than this share.",
                          .low = 0};
constexpr Option kAvx2{.name = "avx2", .help = "Accepted: the file is the same for every level."};
constexpr Option kAvx512{.name = "avx512", .help = "Accepted, as --avx2."};
constexpr Option kAvx512Vnni{.name = "avx512-vnni", .help = "Accepted, as --avx2."};

constexpr const Option* kOptions[] = {&kSource,    &kTarget,   &kScheme,         &kCalibrationFile,
                                      &kAttention, &kKeepFp32, &kKeepBelow,      &kReport,
                                      &kEvalFile,  &kMaxDrop,  &kReplace,        &kThreads,
                                      &kIsa,       &kJson,     &kFollowSymlinks, &kNoFollowSymlinks,
                                      &kAvx2,      &kAvx512,   &kAvx512Vnni};

// IN OUT [TYPE], or --model and --output-dir.
void read_places(const cli::Arguments& args, tools::QuantizeOptions& options) {
  std::vector<std::string> words = args.positionals();
  if (args.given(kSource)) words.emplace(words.begin(), args.text(kSource));
  if (args.given(kTarget)) {
    words.emplace(words.begin() + (words.empty() ? 0 : 1), args.text(kTarget));
  }
  if (words.size() < 2 || words.size() > 3) {
    throw cli::UsageError(
        "expected a model directory and a directory to write: IN OUT, or --model and --output-dir");
  }
  if (words.size() == 3 && (words[2] == "int4" || words[2] == "i4")) {
    options.bits = compress::WeightBits::kFour;
  } else if (words.size() == 3 && words[2] != "int8" && words[2] != "i8") {
    throw cli::UsageError("unknown type " + words[2] + ", expected int8 or int4");
  }
  options.model = words[0];
  options.output = words[1];
}

tools::Scheme read_scheme(const cli::Arguments& args) {
  const std::string scheme(args.text(kScheme));
  const bool text = args.given(kCalibrationFile);
  if (text && !scheme.empty() && scheme != "calibrated") {
    throw cli::UsageError("--calibration-file is for --scheme calibrated, not " + scheme);
  }
  if (text || scheme == "calibrated") return tools::Scheme::kCalibrated;
  return scheme == "plain" ? tools::Scheme::kPlain : tools::Scheme::kRotated;
}

int run(const cli::Arguments& args, cli::Console& console) {
  tools::QuantizeOptions options;
  read_places(args, options);
  options.open = open_options(args);
  options.scheme = read_scheme(args);
  options.calibration_file = args.maybe(kCalibrationFile);
  if (args.given(kAttention)) options.int8_attention = args.text(kAttention) == "i8";
  options.keep_fp32 = args.list(kKeepFp32);
  if (args.given(kKeepBelow)) options.keep_below = args.number(kKeepBelow);
  options.report = args.flag(kReport);
  options.eval_file = args.maybe(kEvalFile);
  if (args.given(kMaxDrop)) {
    if (!options.eval_file) throw cli::UsageError("--max-drop asks for --eval-file");
    options.max_drop = args.number(kMaxDrop);
  }
  if (args.flag(kReplace)) options.existing = weights::Existing::kReplace;
  options.isa = choose_isa(args.maybe(kIsa));
  options.threads = static_cast<int>(args.maybe_integer(kThreads).value_or(available_threads()));
  const tools::Quantization done = tools::quantize(options);
  console.out.write(args.flag(kJson) ? quantization_json(done) : quantization_text(done));
  console.out.flush();
  for (const std::string& warning : done.warnings) console.log.warning(warning);
  try {
    for (const std::string& slower : slower_than_before(options)) console.log.note(slower);
  } catch (const std::exception& error) {  // the model is written all the same
    console.log.note(std::string("the speed was not compared: ") + error.what());
  }
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kQuantize{
    .name = "quantize",
    .summary = "Write a model whose layers and word embeddings are in INT8",
    .positionals = "[IN OUT [int8|int4]]",
    .description =
        "The directory can be used like the original, in a quarter of the memory. Its weights are "
        "mapped as they lie in the file, and every machine computes the same bytes with them. "
        "linnet.json says what was done to each layer; linnet export gives the floats that the "
        "INT8 stands for. The same model gives the same file on every machine. int4 is for a "
        "GPT-2: "
        "weights of 4 bits, a scale for every 32 of them, activations in INT8; about half of the "
        "memory again, which is what decoding reads, at a price in quality.",
    .examples =
        "# no data is needed\n"
        "linnet quantize DIR NEW\n\n"
        "# closer to the original, with sentences of the kind that it will see\n"
        "linnet quantize --model DIR --output-dir NEW --calibration-file sentences.txt\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
