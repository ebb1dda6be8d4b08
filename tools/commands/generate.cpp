#include <utility>

#include "engine/tasks/line_reader.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/generate/chat.h"
#include "tools/generate/options.h"
#include "tools/generate/requests.h"
#include "tools/io/input_stream.h"
#include "weights/base/error.h"

namespace linnet::commands {
namespace {

constexpr Option kRequests{
    .name = "requests",
    .kind = Kind::kFile,
    .value = "FILE",
    .help =
        "Answer requests, an object a line: prompts (lists of ids) or texts, and parameters by "
        "the names of generation_config.json."};
constexpr Option kChat{
    .name = "chat",
    .help =
        "Answer the lines of standard input one by one; the text of all lines and answers goes "
        "on. On a terminal Ctrl-C ends an answer, Ctrl-D the chat."};
constexpr Option kStop{.name = "stop",
                       .kind = Kind::kText,
                       .value = "TEXT",
                       .help = "End a text before this one appears; may be given several times.",
                       .repeatable = true};
constexpr Option kLogprobs{.name = "logprobs",
                           .kind = Kind::kInteger,
                           .value = "N",
                           .help =
                               "With --json: log-probabilities of every token and of the N "
                               "likeliest ones.",
                           .low = 0,
                           .high = 1000};

constexpr auto kOptions =
    cli::joined({&kModel, &kInput, &kInputFormat, &kTextColumn, &kMaxLineBytes, &kRequests, &kChat,
                 &kStop, &kLogprobs, &tools::kBatch, &tools::kCacheBudget, &tools::kCacheDtype,
                 &kOutput, &kForce, &kJson, &kInvalidUtf8, &kNoParseSpecial, &tools::kDtype},
                kModelOptions, tools::kParameters);

TextRequest request_of(const cli::Arguments& args, const LanguageModel& model) {
  TextRequest request;
  request.parameters = model.defaults;
  tools::take_parameters(args, request.parameters);
  request.parameters.logprobs = args.maybe_integer(kLogprobs);
  request.stop_strings = args.list(kStop);
  return request;
}

void write_logprobs(json::Writer& out, const GeneratedSequence& sequence) {
  out.key("logprobs").begin_array();
  for (const std::vector<TokenLogprob>& token : sequence.logprobs) {
    out.begin_object().key("token").integer(token[0].token);
    out.key("logprob").float64(token[0].logprob).key("top").begin_array();
    for (const TokenLogprob& one : std::span(token).subspan(1)) {
      out.begin_object().key("token").integer(one.token);
      out.key("logprob").float64(one.logprob).end_object();
    }
    out.end_array().end_object();
  }
  out.end_array();
}

std::string as_json(std::int64_t index, const std::string& prompt, const GeneratedText& result,
                    const TextRequest& request) {
  json::Writer out;
  out.begin_object().key("index").integer(index);
  out.key("generated_text").string(prompt + result.text);
  out.key("text").string(result.text).key("new_tokens").begin_array();
  for (const std::int32_t id : result.sequence.tokens) out.integer(id);
  out.end_array();
  out.key("finish_reason").string(name(result.sequence.reason));
  if (request.parameters.num_beams > 1) out.key("score").float64(result.sequence.score);
  if (request.parameters.prompt_lookup_num_tokens > 0) {
    tools::write_speculation(out, result.sequence.guessed, result.sequence.accepted);
  }
  if (request.parameters.logprobs) write_logprobs(out, result.sequence);
  return std::move(out.end_object()).text() + "\n";
}

// Texts that are read together, so that they run side by side.
struct Prompts {
  std::vector<std::string> texts;
  std::vector<std::vector<std::int32_t>> ids;
  std::vector<std::int64_t> index;  // of the record
};

Prompts read_prompts(const cli::Arguments& args, const TextGenerator& generator,
                     io::TextSource& source, Failures& failures) {
  Prompts prompts;
  std::int64_t index = 0;
  for (Record record; source.next(record); ++index) {
    try {
      if (!record.error.empty()) throw Error(ErrorCode::kFormat, record.error);
      auto ids = generator.encode(*record.fields[0], encode_options(args));
      if (ids.empty()) throw Error(ErrorCode::kInvalidArgument, "the prompt has no token");
      prompts.ids.push_back(std::move(ids));
      prompts.texts.push_back(*record.fields[0]);
      prompts.index.push_back(index);
    } catch (const std::exception& e) {
      failures.add(source.place(record), e.what());
    }
  }
  return prompts;
}

// With --verbose: what came of the guesses.
void note_speculation(const cli::Arguments& args, const cli::Log& log,
                      std::span<const GeneratedText> results) {
  if (!args.flag(cli::kVerbose)) return;
  std::int64_t guessed = 0, accepted = 0;
  for (const GeneratedText& r : results) {
    guessed += r.sequence.guessed;
    accepted += r.sequence.accepted;
  }
  log.note("speculation: " + std::to_string(accepted) + " of " + std::to_string(guessed) +
           " guessed tokens were accepted");
}

void generate_texts(const cli::Arguments& args, cli::Console& console, TextGenerator& generator,
                    const TextRequest& request, const Prompts& prompts) {
  const io::Destination to = destination(args);
  const auto each = static_cast<std::size_t>(request.parameters.num_return_sequences);
  const bool stream = to.is_standard_output() && !args.flag(kJson) && each == 1 &&
                      prompts.ids.size() == 1 && request.parameters.num_beams == 1;
  io::write_to(to, console.out, [&](const io::Sink& sink) {
    TextGenerator::NewText say;
    bool begun = false;  // nothing is written of a prompt that is refused
    const auto begin = [&] {
      if (!std::exchange(begun, true)) sink(prompts.texts[0]);
    };
    if (stream) {
      say = [&](std::int64_t, std::string_view piece) {
        begin();
        sink(piece);
        console.out.flush();
      };
    }
    const auto results = generator.generate(prompts.ids, request, say);
    if (request.parameters.prompt_lookup_num_tokens > 0) {
      note_speculation(args, console.log, results);
    }
    if (stream) {
      begin();
      return sink("\n");
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      const std::string& prompt = prompts.texts[i / each];
      sink(args.flag(kJson) ? as_json(prompts.index[i / each], prompt, results[i], request)
                            : prompt + results[i].text + "\n");
    }
  });
}

int answer_requests(const cli::Arguments& args, cli::Console& console, TextGenerator& generator) {
  const std::string path(args.text(kRequests));
  io::InputStream in(path);
  const std::int64_t most = args.integer(kMaxLineBytes);
  LineReader lines([&](char* to, std::size_t bytes) { return in.read(to, bytes); }, path, most);
  Failures failures(console.log);
  io::write_to(destination(args), console.out, [&](const io::Sink& sink) {
    std::string_view line;
    for (auto next = lines.next(line); next != LineReader::Next::kEnd; next = lines.next(line)) {
      try {
        if (next == LineReader::Next::kTooLong) {
          throw Error(ErrorCode::kLimit,
                      "the line has more than " + std::to_string(most) + " bytes");
        }
        sink(tools::answer_request(generator, line, most) + "\n");
      } catch (const std::exception& e) {
        failures.add(path + ": line " + std::to_string(lines.number()), e.what());
        json::Writer out;
        out.begin_object().key("error").string(e.what()).end_object();
        sink(std::move(out).text() + "\n");
      }
    }
  });
  return failures.exit_code();
}

void check_chat(const cli::Arguments& args) {
  if (!args.flag(kChat)) return;
  if (!args.positionals().empty()) throw cli::UsageError("--chat comes without prompts");
  for (const Option* option : {&kRequests, &kInput, &kJson, &kOutput, &kLogprobs}) {
    if (args.given(*option)) {
      throw cli::UsageError("--chat comes without --" + std::string(option->name));
    }
  }
}

int run(const cli::Arguments& args, cli::Console& console) {
  check_chat(args);
  io::check_destination(destination(args));
  if (args.given(kRequests) && (!args.positionals().empty() || args.given(kInput))) {
    throw cli::UsageError("--requests comes without other prompts");
  }
  std::optional<io::TextSource> source;
  if (!args.given(kRequests) && !args.flag(kChat)) {
    source = io::open_texts(
        args.positionals(),
        text_options(args, args.text(kInput), {text_field(std::string(args.text(kTextColumn)))}));
  }
  const LanguageModel model = tools::load_language_model(args, console.log);
  GeneratorOptions options;
  options.sequences = args.flag(kChat) ? 1 : args.integer(tools::kBatch);
  options.cache_budget = args.integer(tools::kCacheBudget) << 20;
  options.cache_type = tools::cache_type(args);
  TextGenerator generator(model, session_options(args), options);
  if (args.flag(kChat)) {
    return tools::chat(generator,
                       {request_of(args, model), encode_options(args), args.integer(kMaxLineBytes)},
                       console);
  }
  const auto cancel = [] {
    cli::check_interrupt();
    return false;
  };
  generator.session().cancel_when(cancel);
  if (args.given(kRequests)) return answer_requests(args, console, generator);
  const TextRequest request = request_of(args, model);
  Failures failures(console.log);
  const Prompts prompts = read_prompts(args, generator, *source, failures);
  if (!prompts.ids.empty()) generate_texts(args, console, generator, request, prompts);
  return failures.exit_code();
}

}  // namespace

constinit const cli::Command kGenerate{
    .name = "generate",
    .summary = "Continue texts with a language model",
    .positionals = "[PROMPT...]",
    .description =
        "Continues prompts with a GPT-2: words of the command line, the records of --input, or the "
        "lines of standard input. One prompt is written with its continuation as it comes; several "
        "run side by side and are written when all are done. Without options the likeliest token "
        "is taken, or what generation_config.json says. --json writes an object a line with "
        "generated_text (prompt and continuation), text, new_tokens and finish_reason: eos, length "
        "or stop; with speculation also what came of its guesses. --requests answers objects with "
        "prompts or texts by new_tokens, texts, "
        "sequences_scores of beam search and finish_reasons. --chat continues the text of the "
        "lines "
        "that are typed and its own answers, as far as --context-overflow lets it. Prompts and "
        "requests that are wrong "
        "are reported, and the exit code is 3.",
    .examples =
        "# the likeliest continuation\n"
        "linnet generate --model DIR \"the food was\" --max-new-tokens 20\n"
        "# sample three, the same ones every time\n"
        "linnet generate --model DIR \"the food was\" --temperature 0.8 --top-p 0.95 --seed 7 "
        "--num-return-sequences 3\n"
        "# beam search over the lines of a file\n"
        "linnet generate --model DIR --input prompts.txt --num-beams 4 --json\n"
        "# a line and its continuation in turns\n"
        "linnet generate --model DIR --chat --temperature 0.8 --context-overflow slide\n"
        "# ids in, ids out\n"
        "linnet generate --model DIR --requests runs.jsonl --json\n",
    .options = kOptions,
    .run = run,
    .tasks = "text-generation",
};

}  // namespace linnet::commands
