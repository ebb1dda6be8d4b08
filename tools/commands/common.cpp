#include "tools/commands/common.h"

#include "engine/core/context.h"
#include "tools/cli/exit_code.h"

namespace linnet::commands {
namespace {

// Further failures are counted, not shown.
constexpr std::int64_t kShownFailures = 20;

int threads(const cli::Arguments& args) {
  return static_cast<int>(args.maybe_integer(kThreads).value_or(available_threads()));
}

}  // namespace

weights::OpenOptions open_options(const cli::Arguments& args) {
  weights::OpenOptions options;
  if (args.flag(kFollowSymlinks) && args.flag(kNoFollowSymlinks)) {
    throw cli::UsageError("--follow-symlinks and --no-follow-symlinks contradict each other");
  }
  if (args.flag(kFollowSymlinks)) options.symlinks = weights::Symlinks::kAll;
  if (args.flag(kNoFollowSymlinks)) options.symlinks = weights::Symlinks::kNone;
  return options;
}

io::Destination destination(const cli::Arguments& args) {
  return {std::string(args.text(kOutput)),
          args.flag(kForce) ? io::Overwrite::kAllow : io::Overwrite::kRefuse};
}

io::TextOptions text_options(const cli::Arguments& args, std::string_view input,
                             std::vector<FieldRequest> fields) {
  io::TextOptions options;
  options.input = input;
  RecordOptions& records = options.records;
  records.fields = std::move(fields);
  records.max_line_bytes = args.integer(kMaxLineBytes);
  if (args.text(kInvalidUtf8) == "replace") records.invalid = InvalidText::kPass;
  const std::string_view format = args.text(kInputFormat);
  records.format = format == "text"    ? RecordFormat::kText
                   : format == "jsonl" ? RecordFormat::kJsonl
                   : format == "csv"   ? RecordFormat::kCsv
                   : format == "tsv"   ? RecordFormat::kTsv
                                       : record_format_of(options.input);
  return options;
}

LoadOptions load_options(const cli::Arguments& args, const cli::Log& log) {
  LoadOptions options;
  options.isa = choose_isa(args.maybe(kIsa));
  options.threads = threads(args);
  if (args.text(kPrecision) == "bf16") options.precision = Precision::kBfloat16;
  if (args.text(kWeights) == "copy") options.packed_weights = PackedWeights::kCopy;
  options.lock_in_memory = args.flag(kMlock);
  if (args.text(kBackend) == "onednn") {
    options.backend = Backend::kOneDnn;
    log.note("backend oneDNN " + onednn::Plugin::open().version() +
             ": outside the promise of the same bytes");
  }
  return options;
}

SessionOptions session_options(const cli::Arguments& args) {
  SessionOptions options;
  options.threads = threads(args);
  return options;
}

tokenizer::EncodeOptions encode_options(const cli::Arguments& args) {
  tokenizer::EncodeOptions options;
  options.parse_special = !args.flag(kNoParseSpecial);
  if (args.text(kInvalidUtf8) == "replace") {
    options.invalid_utf8 = tokenizer::InvalidUtf8::kReplace;
  }
  return options;
}

void Failures::add(const std::string& place, std::string_view what) {
  ++count_;
  if (count_ <= kShownFailures) log_.warning(place + ": " + std::string(what));
  if (count_ == kShownFailures + 1) log_.warning("further inputs that failed are not shown");
}

int Failures::exit_code() const {
  if (count_ == 0) return cli::kDone;
  log_.warning(std::to_string(count_) + (count_ == 1 ? " input failed" : " inputs failed"));
  return cli::kSomeFailed;
}

}  // namespace linnet::commands
