#include "tools/generate/perplexity.h"

#include "tools/cli/exit_code.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/generate/options.h"
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

constexpr auto kOptions = cli::joined(
    {&kModel, &kText, &kMaxLength, &kStride, &kScoreNext, &kTokenOutput, &kJson, &kOutput, &kForce,
     &kInvalidUtf8, &kNoParseSpecial, &tools::kDtype, &tools::kCacheDtype},
    kModelOptions);

tools::Perplexity measure(const cli::Arguments& args, const LanguageModel& model,
                          std::span<const std::int32_t> ids, const io::Sink& tokens_out) {
  Gpt2Session session(model.gpt2, session_options(args));
  const auto cancel = [] {
    cli::check_interrupt();
    return false;
  };
  session.cancel_when(cancel);
  tools::PerplexityOptions options;
  options.max_length = args.maybe_integer(kMaxLength);
  options.stride = args.maybe_integer(kStride);
  if (args.flag(kScoreNext)) options.up_to = ScoredUpTo::kNext;
  options.cache = tools::cache_type(args);
  if (!tokens_out) return tools::measure_perplexity(session, ids, options);
  return tools::measure_perplexity(session, ids, options, [&](std::int64_t token, double logprob) {
    json::Writer out;
    out.begin_object().key("index").integer(token);
    out.key("token").integer(ids[static_cast<std::size_t>(token)]);
    out.key("logprob").float64(logprob).end_object();
    tokens_out(std::move(out).text() + "\n");
  });
}

std::string answer(const cli::Arguments& args, const tools::Perplexity& r) {
  const double perplexity = r.value();
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
  const std::string text = tools::read_text(std::string(args.text(kText)));
  const LanguageModel model = tools::load_language_model(args, console.log);
  tokenizer::EncodeOptions encode = encode_options(args);
  encode.add_special_tokens = false;
  const std::vector<std::int32_t> ids = model.text().encode(text, encode).ids;
  tools::Perplexity result;
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
