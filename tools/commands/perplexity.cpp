#include <algorithm>

#include "engine/core/math.h"
#include "engine/generate/likelihood.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/generate/options.h"
#include "tools/io/input_stream.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kText{.name = "input",
                       .kind = Kind::kFile,
                       .value = "FILE",
                       .help =
                           "The text, - for standard input; .gz and .zst are decompressed. All of "
                           "it is one string, line feeds included.",
                       .letter = "i",
                       .required = true};
constexpr Option kMaxLength{.name = "max-length",
                            .kind = Kind::kInteger,
                            .value = "N",
                            .help =
                                "Tokens of a window; by default as many as the model has "
                                "positions.",
                            .low = 2};
constexpr Option kStride{.name = "stride",
                         .kind = Kind::kInteger,
                         .value = "N",
                         .help =
                             "Tokens from the beginning of a window to that of the next one; half "
                             "a window by default.",
                         .low = 1};
constexpr Option kScoreNext{
    .name = "score-next",
    .help = "A window also scores the token behind it, so that none but the first is left out."};
constexpr Option kTokenOutput{
    .name = "token-output",
    .kind = Kind::kFile,
    .value = "FILE",
    .help = "Write an object a line for every token that is scored: index, token, logprob."};

constexpr const Option* kOptions[] = {&kModel,
                                      &kText,
                                      &kMaxLength,
                                      &kStride,
                                      &kScoreNext,
                                      &kTokenOutput,
                                      &kJson,
                                      &kOutput,
                                      &kForce,
                                      &kInvalidUtf8,
                                      &kNoParseSpecial,
                                      &kThreads,
                                      &kIsa,
                                      &kPrecision,
                                      &kBackend,
                                      &kWeights,
                                      &kMlock,
                                      &kFollowSymlinks,
                                      &kNoFollowSymlinks};

constexpr std::int64_t kMostBytes = std::int64_t{1} << 31;
// Windows that go to the model together.
constexpr std::size_t kWindows = 256;

std::string read_all(const std::string& path) {
  io::InputStream in(path);
  std::string text;
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  for (std::size_t n = 1; n > 0;) {
    const std::size_t end = text.size();
    text.resize(end + kPiece);
    n = in.read(text.data() + end, kPiece);
    text.resize(end + n);
    if (static_cast<std::int64_t>(text.size()) > kMostBytes) {
      throw Error(ErrorCode::kLimit, path + ": more than " + std::to_string(kMostBytes) + " bytes");
    }
  }
  return text;
}

struct Result {
  std::int64_t tokens = 0, windows = 0, scored = 0, max_length = 0, stride = 0;
  double nll = 0;

  double mean() const { return nll / static_cast<double>(scored); }
};

Result measure(const cli::Arguments& args, const LanguageModel& model,
               std::span<const std::int32_t> ids, const io::Sink& tokens_out) {
  Gpt2Session session(model.gpt2, session_options(args));
  const auto cancel = [] {
    cli::check_interrupt();
    return false;
  };
  session.cancel_when(cancel);
  Result r;
  r.tokens = static_cast<std::int64_t>(ids.size());
  r.max_length = args.maybe_integer(kMaxLength).value_or(model.gpt2.config.n_positions);
  if (r.max_length > model.gpt2.config.n_positions) {
    throw Error(ErrorCode::kInvalidArgument,
                "max-length: found " + std::to_string(r.max_length) + ", the model has " +
                    std::to_string(model.gpt2.config.n_positions) + " positions");
  }
  r.stride = args.maybe_integer(kStride).value_or(std::max<std::int64_t>(1, r.max_length / 2));
  const auto up_to = args.flag(kScoreNext) ? ScoredUpTo::kNext : ScoredUpTo::kLast;
  const auto windows = strided_windows(r.tokens, r.max_length, r.stride, up_to);
  r.windows = static_cast<std::int64_t>(windows.size());
  Likelihood likelihood(session);
  for (std::size_t w = 0; w < windows.size(); w += kWindows) {
    const auto some = std::span(windows).subspan(w, std::min(kWindows, windows.size() - w));
    likelihood.score(ids, some, [&](std::int64_t, std::int64_t token, double logprob) {
      ++r.scored;
      r.nll -= logprob;
      if (!tokens_out) return;
      json::Writer out;
      out.begin_object().key("index").integer(token);
      out.key("token").integer(ids[static_cast<std::size_t>(token)]);
      out.key("logprob").float64(logprob).end_object();
      tokens_out(std::move(out).text() + "\n");
    });
  }
  if (r.scored == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "the text has " + std::to_string(r.tokens) + " tokens, expected at least 2");
  }
  return r;
}

std::string answer(const cli::Arguments& args, const Result& r) {
  const double perplexity = math::exp(r.mean());
  if (!args.flag(kJson)) {
    return "perplexity " + std::to_string(perplexity) + " over " + std::to_string(r.scored) +
           " of " + std::to_string(r.tokens) + " tokens, windows of " +
           std::to_string(r.max_length) + ", stride " + std::to_string(r.stride) + "\n";
  }
  json::Writer out;
  out.begin_object().key("schema").string("linnet.perplexity.1");
  out.key("tokens").integer(r.tokens).key("max_length").integer(r.max_length);
  out.key("stride").integer(r.stride).key("windows").integer(r.windows);
  out.key("tokens_scored").integer(r.scored).key("nll").float64(r.nll);
  out.key("mean_nll").float64(r.mean()).key("perplexity").float64(perplexity).end_object();
  return std::move(out).text() + "\n";
}

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  const io::Destination tokens_to{std::string(args.text(kTokenOutput)), to.overwrite};
  if (args.given(kTokenOutput)) io::check_destination(tokens_to);
  const std::string text = read_all(std::string(args.text(kText)));
  const LanguageModel model = tools::load_language_model(args, console.log);
  tokenizer::EncodeOptions encode = encode_options(args);
  encode.add_special_tokens = false;
  const std::vector<std::int32_t> ids = model.text().encode(text, encode).ids;
  Result result;
  if (args.given(kTokenOutput)) {
    io::write_to(tokens_to, console.out,
                 [&](const io::Sink& sink) { result = measure(args, model, ids, sink); });
  } else {
    result = measure(args, model, ids, {});
  }
  io::write_to(to, console.out, [&](const io::Sink& sink) { sink(answer(args, result)); });
  return cli::kDone;
}

}  // namespace

constinit const cli::Command kPerplexity{
    .name = "perplexity",
    .summary = "How well a language model predicts a text",
    .description =
        "Reads a text in windows that overlap and gives exp(mean of -log p) over its tokens. "
        "Window k begins at token k * stride and scores the tokens that no window before it has "
        "read, each by those before it in the window; the first token of the text is never "
        "scored. --json writes tokens, windows, tokens_scored, nll (the sum of -log p), mean_nll "
        "and perplexity.",
    .examples =
        "# windows of the model's length, half a window apart\n"
        "linnet perplexity --model DIR --input test.txt\n"
        "# windows side by side, and every token's log-probability\n"
        "linnet perplexity --model DIR --input test.txt --stride 64 --token-output tokens.jsonl\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
