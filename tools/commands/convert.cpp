#include "tools/convert/convert.h"

#include "engine/core/available_threads.h"
#include "engine/core/context.h"
#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/convert/quantize.h"

namespace linnet::commands {
namespace {

constexpr Option kDtype{.name = "dtype",
                        .kind = Kind::kChoice,
                        .value = "TYPE",
                        .help =
                            "Type of all weights; by default each keeps its own. A number that is "
                            "too large for the type is an error. int8: what linnet quantize does "
                            "without data.",
                        .choices = "float32|float16|bfloat16|int8"};
constexpr Option kQuantization{.name = "quantization",
                               .kind = Kind::kChoice,
                               .value = "TYPE",
                               .help = "Another name of --dtype.",
                               .choices = "float32|float16|bfloat16|int8"};
constexpr Option kRevision{.name = "revision",
                           .kind = Kind::kText,
                           .value = "NAME",
                           .help = "Taken and ignored: a directory has one revision."};
constexpr Option kLowCpuMemUsage{.name = "low-cpu-mem-usage",
                                 .help = "Taken and ignored: tensors pass through one by one."};
constexpr Option kTask{.name = "task",
                       .kind = Kind::kChoice,
                       .value = "TASK",
                       .help =
                           "What the model is for, where config.json does not say so or says "
                           "another thing; its tensors must be there.",
                       .choices =
                           "feature-extraction|text-classification|token-classification|"
                           "question-answering|fill-mask|multiple-choice|next-sentence|"
                           "pre-training|text-generation"};
constexpr Option kStrict{.name = "strict",
                         .help = "A tensor that belongs to nothing in this model is an error."};
constexpr Option kVerify{
    .name = "verify",
    .help = "Read everything that was written again and compare, before the directory appears."};
constexpr Option kAllowNonfinite{
    .name = "allow-nonfinite",
    .help = "Take weights that are NaN or infinite; they are an error otherwise."};
constexpr Option kCopyFiles{
    .name = "copy-files",
    .kind = Kind::kText,
    .value = "NAME",
    .help = "A file of the model directory to copy beside those that are known.",
    .repeatable = true};

constexpr const Option* kOptions[] = {
    &kModel,          &kOutputDir,        &kDtype,          &kTask,      &kStrict,
    &kReplace,        &kVerify,           &kAllowNonfinite, &kCopyFiles, &kJson,
    &kFollowSymlinks, &kNoFollowSymlinks, &kQuantization,   &kRevision,  &kLowCpuMemUsage};

std::optional<weights::DType> dtype(std::string_view text) {
  if (text == "float32") return weights::DType::kF32;
  if (text == "float16") return weights::DType::kF16;
  if (text == "bfloat16") return weights::DType::kBF16;
  return std::nullopt;
}

// --dtype, or --quantization as CTranslate2's converters have it.
std::string_view dtype_text(const cli::Arguments& args) {
  const std::string_view own = args.text(kDtype), other = args.text(kQuantization);
  if (!own.empty() && !other.empty() && own != other) {
    throw cli::UsageError("--dtype " + std::string(own) + " and --quantization " +
                          std::string(other) + " contradict each other");
  }
  return own.empty() ? other : own;
}

std::optional<HeadKind> head(std::string_view task) {
  constexpr std::pair<std::string_view, HeadKind> kTasks[] = {
      {"feature-extraction", HeadKind::kBase},
      {"text-classification", HeadKind::kSequenceClassification},
      {"token-classification", HeadKind::kTokenClassification},
      {"question-answering", HeadKind::kQuestionAnswering},
      {"fill-mask", HeadKind::kMaskedLm},
      {"multiple-choice", HeadKind::kMultipleChoice},
      {"next-sentence", HeadKind::kNextSentence},
      {"pre-training", HeadKind::kPreTraining},
      {"text-generation", HeadKind::kCausalLm},
  };
  for (const auto& [name, kind] : kTasks) {
    if (name == task) return kind;
  }
  return std::nullopt;
}

// --dtype int8. What it does differently is said, not ignored.
int run_quantize(const cli::Arguments& args, cli::Console& console) {
  for (const Option* other : {&kTask, &kStrict, &kVerify, &kCopyFiles}) {
    if (args.given(*other)) {
      throw cli::UsageError("--" + std::string(other->name) + " is not for --dtype int8");
    }
  }
  tools::QuantizeOptions options;
  options.model = args.text(kModel);
  options.output = args.text(kOutputDir);
  options.open = open_options(args);
  if (args.flag(kReplace)) options.existing = weights::Existing::kReplace;
  if (args.flag(kAllowNonfinite)) {
    throw cli::UsageError("--allow-nonfinite is not for --dtype int8: there is no INT8 of NaN");
  }
  options.isa = choose_isa();
  options.threads = available_threads();
  const tools::Quantization done = tools::quantize(options);
  console.out.write(args.flag(kJson) ? quantization_json(done) : quantization_text(done));
  console.out.flush();
  for (const std::string& warning : done.warnings) console.log.warning(warning);
  return cli::kDone;
}

int run(const cli::Arguments& args, cli::Console& console) {
  if (dtype_text(args) == "int8") return run_quantize(args, console);
  tools::ConvertOptions options;
  options.model = args.text(kModel);
  options.output = args.text(kOutputDir);
  options.open = open_options(args);
  options.dtype = dtype(dtype_text(args));
  options.head = head(args.text(kTask));
  if (args.flag(kStrict)) options.unexpected = weights::Unexpected::kRefuse;
  if (args.flag(kAllowNonfinite)) options.non_finite = NonFinite::kAllow;
  if (args.flag(kReplace)) options.existing = weights::Existing::kReplace;
  if (args.flag(kVerify)) options.verify = tools::Verify::kYes;
  options.copy_files = args.list(kCopyFiles);
  for (const Option* ignored : {&kRevision, &kLowCpuMemUsage}) {
    if (args.given(*ignored)) console.log.note("--" + std::string(ignored->name) + " is ignored");
  }
  const tools::Conversion done = tools::convert(options);
  console.out.write(args.flag(kJson) ? conversion_json(done) : conversion_text(done));
  console.out.flush();
  for (const std::string& warning : done.warnings) console.log.warning(warning);
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kConvert{
    .name = "convert",
    .summary = "Write a checked copy of a model under the names its architecture has today",
    .description =
        "The copy has one weights file, the tokenizer and configuration files byte for byte, and "
        "linnet.json: where everything comes from, with sizes and hashes, and what was renamed, "
        "tied, dropped or converted. The table accounts for every tensor of the source. Nothing is "
        "lost: heads that are not needed and tensors that are not known are kept, and what is "
        "dropped follows from its name and shape; linnet export gives the original back. The "
        "program convert_weights is this command under its own name.",
    .examples =
        "# a copy in half precision, read again and compared\n"
        "linnet convert --model DIR --output-dir NEW --dtype float16 --verify\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
