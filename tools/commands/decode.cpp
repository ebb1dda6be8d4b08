#include <charconv>

#include "engine/tasks/embedder.h"
#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "weights/base/error.h"
#include "weights/base/json.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"

namespace linnet::commands {
namespace {

using tokenizer::Cleanup;
using Ids = std::vector<std::int32_t>;

constexpr Option kIdsInput{.name = "input",
                           .kind = Kind::kFile,
                           .value = "FILE",
                           .help =
                               "Read ids from a file, - for standard input: those of one text a "
                               "line, or in .jsonl an object with the key ids.",
                           .letter = "i"};
constexpr Option kIdsFormat{.name = "input-format",
                            .kind = Kind::kChoice,
                            .value = "FORMAT",
                            .help = "Format of the input, whatever its name.",
                            .choices = "text|jsonl"};
constexpr Option kSkipSpecial{.name = "skip-special-tokens",
                              .help = "Leave special tokens such as [CLS] out."};
constexpr Option kCleanUp{.name = "clean-up-tokenization-spaces",
                          .help = "Take blanks before punctuation out, as transformers does."};
constexpr Option kLenient{.name = "lenient",
                          .help =
                              "Leave ids out that are not in the vocabulary; by default the "
                              "text fails."};

constexpr const Option* kOptions[] = {
    &kModel,       &kIdsInput, &kIdsFormat, &kOutput,       &kForce,          &kJson,
    &kSkipSpecial, &kCleanUp,  &kLenient,   &kMaxLineBytes, &kFollowSymlinks, &kNoFollowSymlinks};

[[noreturn]] void refuse(std::string_view found) {
  throw Error(ErrorCode::kFormat, "found " + quote(found) + ", expected an id");
}

// "101, 7592 102" or "[101,7592,102]".
Ids parse_ids(std::string_view text) {
  Ids ids;
  constexpr std::string_view kBetween = " \t\r,";
  const std::size_t begin = text.find_first_not_of(kBetween);
  const std::size_t end = text.find_last_not_of(kBetween);
  if (begin == std::string_view::npos) return ids;
  text = text.substr(begin, end + 1 - begin);
  if (text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
    if (text.empty()) return ids;
    const std::string_view word = text.substr(0, text.find_first_of(kBetween));
    std::int32_t id = 0;
    const auto result = std::from_chars(word.data(), word.data() + word.size(), id);
    if (result.ec != std::errc() || result.ptr != word.data() + word.size()) refuse(word);
    ids.push_back(id);
    text.remove_prefix(word.size());
  }
}

struct Sequence {
  std::string id;  // of the record, if it has one
  Ids ids;
};

Sequence parse_record(std::string_view line, std::int64_t max_bytes) {
  const json::Document document = json::parse(line, "record", max_bytes);
  Sequence sequence;
  if (const auto id = document.root().find("id")) sequence.id = id->string();
  for (const json::Value v : document.root().at("ids").elements()) {
    sequence.ids.push_back(static_cast<std::int32_t>(v.integer(0, INT32_MAX)));
  }
  return sequence;
}

void write_json(json::Writer& out, const tokenizer::Tokenizer& t, const Ids& ids, bool lenient) {
  const auto text = [&](bool skip, Cleanup cleanup) {
    return t.decode(ids, {.skip_special_tokens = skip, .cleanup = cleanup, .lenient = lenient});
  };
  const std::string skipped =
      text(true, Cleanup::kTokenizers);  // throws before anything is written
  out.key("tokens").begin_array();
  for (const std::int32_t id : ids) {
    const auto token = t.token(id);
    token ? out.string(*token) : out.null();
  }
  out.end_array();
  out.key("decode_skip").string(skipped);
  out.key("decode_keep").string(text(false, Cleanup::kTokenizers));
  out.key("decode_skip_clean").string(text(true, Cleanup::kTransformers));
  out.key("decode_keep_clean").string(text(false, Cleanup::kTransformers));
  tokenizer::DecodeStream stream(t, {.skip_special_tokens = true, .lenient = lenient});
  out.key("chunks").begin_array();
  for (const std::int32_t id : ids) out.string(stream.step(id));
  out.end_array();
}

std::string answer(const cli::Arguments& args, const tokenizer::Tokenizer& t,
                   const Sequence& sequence, std::int64_t index) {
  if (!args.flag(kJson)) {
    return t.decode(sequence.ids,
                    {.skip_special_tokens = args.flag(kSkipSpecial),
                     .cleanup = args.flag(kCleanUp) ? Cleanup::kTransformers : Cleanup::kTokenizers,
                     .lenient = args.flag(kLenient)}) +
           "\n";
  }
  json::Writer out;
  out.begin_object().key("index").integer(index);
  if (!sequence.id.empty()) out.key("id").string(sequence.id);
  write_json(out, t, sequence.ids, args.flag(kLenient));
  return std::move(out.end_object()).text() + "\n";
}

// What stands where a line that failed would have been answered.
std::string failure(const cli::Arguments& args, std::int64_t index, const std::string& message) {
  if (!args.flag(kJson)) return "\n";
  json::Writer out;
  out.begin_object().key("index").integer(index).key("error").string(message).end_object();
  return std::move(out).text() + "\n";
}

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  const tokenizer::Tokenizer tokenizer = load_tokenizer(
      weights::Directory(std::string(args.text(kModel)), open_options(args).symlinks));
  io::TextOptions options;
  options.input = args.text(kIdsInput);
  options.records.fields.resize(1);
  options.records.max_line_bytes = args.integer(kMaxLineBytes);
  const bool jsonl = args.given(kIdsFormat)
                         ? args.text(kIdsFormat) == "jsonl"
                         : record_format_of(options.input) == RecordFormat::kJsonl;
  std::vector<std::string> words;
  for (const std::string& word : args.positionals()) {
    if (words.empty()) words.emplace_back();
    words[0] += word + " ";
  }
  io::TextSource source = io::open_texts(words, options);
  Failures failures(console.log);
  io::write_to(to, console.out, [&](const io::Sink& sink) {
    for (Record record; source.next(record);) {
      try {
        if (!record.error.empty()) throw Error(ErrorCode::kFormat, record.error);
        const std::string& line = *record.fields[0];
        sink(answer(args, tokenizer,
                    jsonl && source.is_file() ? parse_record(line, args.integer(kMaxLineBytes))
                                              : Sequence{{}, parse_ids(line)},
                    record.index));
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kIo) throw;  // of the destination
        failures.add(source.place(record), error.what());
        sink(failure(args, record.index, error.what()));
      }
    }
  });
  return failures.exit_code();
}

}  // namespace

constinit const cli::Command kDecode{
    .name = "decode",
    .summary = "Turn ids back into texts",
    .positionals = "[ID...]",
    .description =
        "Ids on the command line are one text. Writes a text a line; with --json an object a line: "
        "tokens, decode_skip and decode_keep (without and with special tokens), the same with "
        "clean-up as decode_skip_clean and decode_keep_clean, and chunks: what each id adds to "
        "decode_skip.",
    .examples =
        "# [CLS] bread rises. [SEP]\n"
        "linnet decode --model DIR 101 7852 9466 1012 102\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
