#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "engine/core/context.h"
#include "tools/bench/gemm_bench.h"
#include "tools/bench/lists.h"
#include "tools/bench/model_bench.h"
#include "tools/bench/provenance.h"
#include "tools/bench/random_checkpoint.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/io/progress.h"

namespace linnet::commands {
namespace {

constexpr Option kType{.name = "type",
                       .kind = Kind::kText,
                       .value = "LIST",
                       .help = "gemm: number types, of f32, s8 and bf16.",
                       .fallback = "f32,s8"};
constexpr Option kRows{.name = "rows",
                       .kind = Kind::kText,
                       .value = "LIST",
                       .help = "gemm: rows (tokens) of the products.",
                       .fallback = "1,8,32,128"};
constexpr Option kShape{
    .name = "shape",
    .kind = Kind::kText,
    .value = "LIST",
    .help =
        "gemm: outputs and inputs of the products, as NxK, or all layers of distilbert, bert-base, "
        "minilm or gpt2.",
    .fallback = "bert-base,minilm"};
constexpr Option kCache{.name = "cache",
                        .kind = Kind::kChoice,
                        .value = "STATE",
                        .help =
                            "gemm: the same weights in every call (hot), or cycling through 256 MB "
                            "of them, which is what a large model sees (cold).",
                        .fallback = "hot",
                        .choices = "hot|cold|both"};
constexpr Option kPages{.name = "pages",
                        .kind = Kind::kChoice,
                        .value = "SIZE",
                        .help = "gemm: pages of the operands, where the system gives large ones.",
                        .fallback = "2m",
                        .choices = "4k|2m|both"};
constexpr Option kAgainst{
    .name = "against",
    .kind = Kind::kText,
    .value = "LIST",
    .help =
        "gemm: other libraries in turn with ours, of onednn and openblas (f32), on one thread. "
        "The environment's LINNET_OPENBLAS names another file than libopenblas.so.0."};
constexpr Option kBenchModel{.name = "model",
                             .kind = Kind::kDirectory,
                             .value = "DIR",
                             .help = "model: directory in Hugging Face layout.",
                             .letter = "m"};
constexpr Option kRandom{.name = "random",
                         .kind = Kind::kChoice,
                         .value = "NAME",
                         .help = "model: random weights of this shape instead of a directory.",
                         .choices = "distilbert|bert-base|minilm|gpt2"};
constexpr Option kBatchSize{.name = "batch-size",
                            .kind = Kind::kText,
                            .value = "LIST",
                            .help = "model: sequences of a batch.",
                            .fallback = "1,8"};
constexpr Option kPrompt{.name = "n-prompt",
                         .kind = Kind::kText,
                         .value = "LIST",
                         .help = "model: tokens of each sequence.",
                         .fallback = "16,128",
                         .letter = "p"};
constexpr Option kBatchTokens{
    .name = "batch-tokens",
    .kind = Kind::kInteger,
    .value = "N",
    .help =
        "model: longer batches run in parts of this many tokens; the engine's choice by default.",
    .letter = "b",
    .low = 1,
    .high = 1 << 20};
constexpr Option kPrecisionList{
    .name = "precision",
    .kind = Kind::kText,
    .value = "LIST",
    .help =
        "model: number formats, of fp32, bf16 and int8 (quantised while loading). fp32 is always "
        "measured beside the others, and what is slower than it here is said.",
    .fallback = "fp32"};
constexpr Option kThreadList{
    .name = "threads",
    .kind = Kind::kText,
    .value = "LIST",
    .help = "Threads; by default one for gemm, and as many as this process may use for model.",
    .letter = "t"};
constexpr Option kIsaList{
    .name = "isa",
    .kind = Kind::kText,
    .value = "LIST",
    .help = "Instruction-set levels, or all; the best of this machine by default."};
constexpr Option kRepetitions{.name = "repetitions",
                              .kind = Kind::kInteger,
                              .value = "N",
                              .help = "Samples of each case.",
                              .fallback = "20",
                              .letter = "r",
                              .low = 1,
                              .high = 100000};
constexpr Option kFormat{.name = "format",
                         .kind = Kind::kChoice,
                         .value = "FORMAT",
                         .help = "How the results are written.",
                         .fallback = "table",
                         .choices = bench::kFormats};

constexpr const Option* kGemmOnly[] = {&kType, &kRows, &kShape, &kCache, &kPages, &kAgainst};
constexpr const Option* kModelOnly[] = {&kBenchModel,     &kRandom,          &kBatchSize,
                                        &kPrompt,         &kBatchTokens,     &kPrecisionList,
                                        &kFollowSymlinks, &kNoFollowSymlinks};
constexpr const Option* kOptions[] = {
    &kType,       &kRows,           &kShape,           &kCache,  &kPages,       &kAgainst,
    &kBenchModel, &kRandom,         &kBatchSize,       &kPrompt, &kBatchTokens, &kPrecisionList,
    &kThreadList, &kIsaList,        &kRepetitions,     &kFormat, &kOutput,      &kForce,
    &kNoProgress, &kFollowSymlinks, &kNoFollowSymlinks};

/// Throws for options of the other benchmark.
void refuse(const cli::Arguments& args, std::span<const Option* const> others,
            std::string_view what) {
  for (const Option* option : others) {
    if (args.given(*option)) {
      throw cli::UsageError("bench " + std::string(what) + " has no option --" +
                            std::string(option->name));
    }
  }
}

std::vector<int> threads_of(const cli::Arguments& args, int fallback) {
  if (!args.given(kThreadList)) return {fallback};
  std::vector<int> out;
  for (const std::int64_t n : bench::integers(kThreadList, args.text(kThreadList), 1, 4095)) {
    out.push_back(static_cast<int>(n));
  }
  return out;
}

std::vector<kernels::Isa> levels_of(const cli::Arguments& args) {
  if (!args.given(kIsaList)) return {choose_isa()};
  std::vector<kernels::Isa> out;
  for (const std::string& word : bench::words(kIsaList, args.text(kIsaList))) {
    if (word == "all") {
      for (const kernels::Isa isa : kernels::supported_isas()) out.push_back(isa);
    } else {
      out.push_back(choose_isa(word));
    }
  }
  return out;
}

bench::GemmBench gemm_of(const cli::Arguments& args) {
  refuse(args, kModelOnly, "gemm");
  bench::GemmBench what;
  what.types = bench::number_types(kType, args.text(kType));
  what.products = bench::products(kShape, args.text(kShape));
  what.rows = bench::integers(kRows, args.text(kRows), 1, 1 << 16);
  what.threads = threads_of(args, 1);
  what.isas = levels_of(args);
  what.repetitions = static_cast<int>(args.integer(kRepetitions));
  const std::string_view cache = args.text(kCache), pages = args.text(kPages);
  if (cache != "cold") what.cold.push_back(false);
  if (cache != "hot") what.cold.push_back(true);
  if (pages != "2m") what.pages.push_back(bench::PageSize::k4K);
  if (pages != "4k") what.pages.push_back(bench::PageSize::k2M);
  if (args.given(kAgainst)) what.against = bench::libraries(kAgainst, args.text(kAgainst));
  const kernels::Isa most = *std::max_element(what.isas.begin(), what.isas.end());
  for (const bench::OpponentLibrary* library : what.against) library->cap(most);
  return what;
}

bench::ModelBench model_of(const cli::Arguments& args) {
  refuse(args, kGemmOnly, "model");
  if (args.given(kBenchModel) == args.given(kRandom)) {
    throw cli::UsageError("bench model needs --model DIR or --random NAME, and not both");
  }
  bench::ModelBench what;
  what.directory = std::string(args.text(kBenchModel));
  what.model_name = args.text(args.given(kRandom) ? kRandom : kBenchModel);
  what.open = open_options(args);
  what.batch_sizes = bench::integers(kBatchSize, args.text(kBatchSize), 1, 1 << 16);
  what.lengths = bench::integers(kPrompt, args.text(kPrompt), 1, 1 << 16);
  what.precisions = bench::precisions(kPrecisionList, args.text(kPrecisionList));
  what.tokens_per_pass = args.maybe_integer(kBatchTokens).value_or(0);
  what.threads = threads_of(args, available_threads());
  what.isas = levels_of(args);
  what.repetitions = static_cast<int>(args.integer(kRepetitions));
  return what;
}

/// A directory with random weights, as long as it lives.
class RandomDirectory {
 public:
  explicit RandomDirectory(std::string_view name) {
    std::string path = (std::filesystem::temp_directory_path() / "linnet-bench.XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) throw Error(ErrorCode::kIo, path + ": not created");
    path_ = path;
    for (const bench::RandomModel& model : bench::kRandomModels) {
      if (model.name == name) {
        bench::write_random_checkpoint(path_, std::string(model.config));
      }
    }
  }
  ~RandomDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  RandomDirectory(const RandomDirectory&) = delete;
  RandomDirectory& operator=(const RandomDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Shows how far a benchmark is, and ends it when the user wants that.
template <class Bench>
std::function<void(std::int64_t)> watch(const Bench& what, io::Progress& progress) {
  return [&progress, cases = what.cases()](std::int64_t done) {
    cli::check_interrupt();
    progress.update(done, static_cast<double>(done) / static_cast<double>(cases));
  };
}

bench::Document measure_gemm(const cli::Arguments& args, io::Progress& progress) {
  const bench::GemmBench what = gemm_of(args);
  const bench::Probes probes = bench::probe_machine();
  return {.schema = "linnet.bench.gemm.1",
          .provenance = bench::provenance(probes),
          .rows = bench::run(what, probes.memory_gbytes, watch(what, progress))};
}

bench::Document measure_model(const cli::Arguments& args, io::Progress& progress) {
  bench::ModelBench what = model_of(args);
  std::optional<RandomDirectory> random;
  if (args.given(kRandom)) what.directory = random.emplace(args.text(kRandom)).path();
  bench::Document document{.schema = "linnet.bench.model.1",
                           .rows = bench::run(what, watch(what, progress))};
  document.provenance = bench::provenance(bench::probe_machine());  // its memory is not the model's
  return document;
}

int run(const cli::Arguments& args, cli::Console& console) {
  const std::vector<std::string>& words = args.positionals();
  const bool is_gemm = words.size() == 1 && words[0] == "gemm";
  if (!is_gemm && !(words.size() == 1 && words[0] == "model")) {
    throw cli::UsageError("bench needs one word, gemm or model");
  }
  const io::Destination to = destination(args);
  io::check_destination(to);
  bench::Document document;
  {
    const auto show = args.flag(kNoProgress) ? io::ShowProgress::kNo : io::ShowProgress::kYes;
    io::Progress progress(show, "cases", console.log);
    document = is_gemm ? measure_gemm(args, progress) : measure_model(args, progress);
  }
  if (!is_gemm) {
    for (const std::string& what : bench::slower_than_fp32(document.rows)) console.log.note(what);
  }
  const std::string text = bench::render(document, bench::format_of(args.text(kFormat)));
  io::write_to(to, console.out, [&text](const io::Sink& sink) { sink(text); });
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kBench{
    .name = "bench",
    .summary = "Measure matrix products or a model on this machine",
    .positionals = "gemm|model",
    .description =
        "gemm: each product at each level, all levels in turn, with the share that it reaches of "
        "what the machine can do, probed before and after; weights are packed and inputs quantised "
        "beforehand, the bias is included. model: an encoder or a gpt2 on packed batches of "
        "random ids, without tokenization and head. Lists multiply. Rates are taken at the lower "
        "quartile of "
        "the samples: other programs disturb a shared machine, so compare ratios within one run "
        "only. Before a speed is written its result is checked: samples of a product against the "
        "reference level, a sequence alone against the same one in the batch, bit for bit, and "
        "against FP32.",
    .examples =
        "# how near the products of BERT come to the limit of this machine\n"
        "linnet bench gemm --shape bert-base --cache both\n"
        "# every instruction-set level, for a spreadsheet\n"
        "linnet bench gemm --isa all --rows 1,128 --format csv --output levels.csv\n"
        "# beside other libraries; above 1 in the column \"to first\" they are slower\n"
        "linnet bench gemm --against onednn,openblas --type f32\n"
        "# a model on one and on two threads\n"
        "linnet bench model --model DIR --threads 1,2 --batch-size 1,8,32 --n-prompt 16,128\n"
        "# does this machine gain from BF16 and INT8?\n"
        "linnet bench model --random distilbert --precision bf16,int8\n"
        "# a well-known shape without a download\n"
        "linnet bench model --random distilbert\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
