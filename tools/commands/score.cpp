#include "engine/core/math.h"
#include "engine/generate/likelihood.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/generate/options.h"
#include "tools/task/row_stream.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"

namespace linnet::commands {
namespace {

constexpr Option kAddBos{
    .name = "add-bos",
    .help =
        "Put the token that begins texts in front: the first token of a text is then scored too."};
constexpr Option kTokens{.name = "tokens",
                         .help = "Write the log-probability of every token, too."};

constexpr auto kOptions =
    cli::joined({&kModel, &kInput, &kInputFormat, &kTextColumn, &kMaxLineBytes, &kAddBos, &kTokens,
                 &kOutput, &kForce, &tools::kFormat, &kJson, &kInvalidUtf8, &kNoParseSpecial,
                 &tools::kDtype, &kNoProgress},
                kModelOptions);

struct Score {
  std::vector<std::int32_t> tokens;  // those that are scored
  std::vector<double> logprobs;
  double sum = 0;
};

Score score_of(const LanguageModel& model, Likelihood& likelihood, std::string_view text,
               const tokenizer::EncodeOptions& encode, bool add_bos) {
  std::vector<std::int32_t> ids = model.text().encode(text, encode).ids;
  if (add_bos) {
    if (!model.gpt2.config.bos_token_id) {
      throw Error(ErrorCode::kInvalidArgument, "add-bos: config.json names no bos_token_id");
    }
    ids.insert(ids.begin(), static_cast<std::int32_t>(*model.gpt2.config.bos_token_id));
  }
  const auto n = static_cast<std::int64_t>(ids.size());
  const std::int64_t most = model.gpt2.config.n_positions;
  if (n < 2 || n > most) {
    throw Error(ErrorCode::kInvalidArgument, "the text has " + std::to_string(n) +
                                                 " tokens, expected 2 to " + std::to_string(most));
  }
  Score score;
  const LikelihoodWindow window{0, n, 1};
  likelihood.score(ids, std::span(&window, 1),
                   [&](std::int64_t, std::int64_t token, double logprob) {
                     score.tokens.push_back(ids[static_cast<std::size_t>(token)]);
                     score.logprobs.push_back(logprob);
                     score.sum += logprob;
                   });
  return score;
}

tools::RowResult row_of(const Score& score, const LanguageModel& model, bool with_tokens) {
  const auto n = static_cast<double>(score.logprobs.size());
  const double perplexity = math::exp(-score.sum / n);
  tools::RowResult row;
  json::Writer out;
  out.begin_object().key("logprob").float64(score.sum);
  out.key("tokens").integer(static_cast<std::int64_t>(score.logprobs.size()));
  out.key("perplexity").float64(perplexity);
  if (with_tokens) {
    out.key("token_logprobs").begin_array();
    for (std::size_t i = 0; i < score.tokens.size(); ++i) {
      out.begin_object().key("token").integer(score.tokens[i]);
      const auto word = model.text().token(score.tokens[i]);
      out.key("token_str").string(word.value_or(""));
      out.key("logprob").float64(score.logprobs[i]).end_object();
    }
    out.end_array();
  }
  row.json = std::move(out.end_object()).text();
  row.cells.push_back({std::to_string(score.sum), std::to_string(score.logprobs.size()),
                       std::to_string(perplexity)});
  return row;
}

int run(const cli::Arguments& args, cli::Console& console) {
  io::check_destination(destination(args));
  io::TextSource source = io::open_texts(
      args.positionals(),
      text_options(args, args.text(kInput), {text_field(std::string(args.text(kTextColumn)))}));
  const LanguageModel model = tools::load_language_model(args, console.log);
  Gpt2Session session(model.gpt2, session_options(args));
  Likelihood likelihood(session);
  tokenizer::EncodeOptions encode = encode_options(args);
  encode.add_special_tokens = false;
  tools::ResultOptions results;
  results.schema = "linnet.score.1";
  results.key = "score";
  results.columns = {{"logprob", io::Table::Align::kRight},
                     {"tokens", io::Table::Align::kRight},
                     {"perplexity", io::Table::Align::kRight}};
  return tools::run_rows(
      args, console, source, std::move(results),
      [&](const std::vector<const Record*>& records, std::vector<tools::RowResult>& rows) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
          cli::check_interrupt();
          try {
            rows[i] = row_of(
                score_of(model, likelihood, *records[i]->fields[0], encode, args.flag(kAddBos)),
                model, args.flag(kTokens));
          } catch (const std::exception& e) {
            rows[i].error = e.what();
          }
        }
      });
}

}  // namespace

constinit const cli::Command kScore{
    .name = "score",
    .summary = "How likely texts are to a language model",
    .positionals = "[TEXT...]",
    .description =
        "Gives every text the sum of the log-probabilities of its tokens, each by those before it, "
        "and its perplexity. Texts are words of the command line, the records of --input, or the "
        "lines of standard input. The first token is not scored without --add-bos. Texts that are "
        "longer than the model's positions get an error, and the exit code is 3.",
    .examples =
        "# which of two texts is likelier\n"
        "linnet score --model DIR \"the food was great\" \"the food was grate\"\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
