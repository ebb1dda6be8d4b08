#include "engine/tasks/embedder.h"
#include "tools/cli/exit_code.h"
#include "tools/commands/commands.h"
#include "tools/commands/common.h"
#include "tools/tokenize/case.h"
#include "weights/base/error.h"
#include "weights/base/json.h"

namespace linnet::commands {
namespace {

constexpr Option kPairColumn{.name = "pair-column",
                             .kind = Kind::kText,
                             .value = "NAME",
                             .help =
                                 "Column or key of the second text of a pair; without it, texts "
                                 "of .csv and .tsv are single."};
constexpr Option kNoSpecialTokens{.name = "no-special-tokens",
                                  .help = "Add no special tokens such as [CLS] and [SEP]."};
constexpr Option kTruncation{.name = "truncation",
                             .kind = Kind::kChoice,
                             .value = "WHAT",
                             .help = "What is cut when a text has more ids than --max-length.",
                             .fallback = "do-not-truncate",
                             .choices = "longest-first|only-first|only-second|do-not-truncate"};
constexpr Option kMaxLength{.name = "max-length",
                            .kind = Kind::kInteger,
                            .value = "N",
                            .help = "Ids of a text at most, special tokens included.",
                            .low = 0,
                            .high = tokenizer::kMaxTextBytes};
constexpr Option kTruncationSide{.name = "truncation-side",
                                 .kind = Kind::kChoice,
                                 .value = "SIDE",
                                 .help = "The side that is cut away.",
                                 .fallback = "right",
                                 .choices = "right|left"};
constexpr Option kStride{.name = "stride",
                         .kind = Kind::kInteger,
                         .value = "N",
                         .help = "Ids that neighbouring windows share.",
                         .fallback = "0",
                         .low = 0,
                         .high = tokenizer::kMaxTextBytes};
constexpr Option kOverflow{.name = "return-overflowing-tokens",
                           .help = "Answer with every window of a text that is cut."};
constexpr Option kTokens{.name = "tokens", .help = "Write tokens instead of ids."};

constexpr const Option* kOptions[] = {
    &kModel,       &kInput,          &kInputFormat,    &kTextColumn,     &kPairColumn,
    &kOutput,      &kForce,          &kJson,           &kTokens,         &kNoSpecialTokens,
    &kTruncation,  &kMaxLength,      &kTruncationSide, &kStride,         &kOverflow,
    &kInvalidUtf8, &kNoParseSpecial, &kMaxLineBytes,   &kFollowSymlinks, &kNoFollowSymlinks};

tools::CaseOptions case_options(const cli::Arguments& args) {
  using tokenizer::Truncation;
  tools::CaseOptions options;
  options.encode = encode_options(args);
  options.encode.add_special_tokens = !args.flag(kNoSpecialTokens);
  const std::string_view truncation = args.text(kTruncation);
  options.encode.truncation = truncation == "longest-first" ? Truncation::kLongestFirst
                              : truncation == "only-first"  ? Truncation::kOnlyFirst
                              : truncation == "only-second" ? Truncation::kOnlySecond
                                                            : Truncation::kNone;
  options.encode.max_length = args.maybe_integer(kMaxLength);
  if (args.text(kTruncationSide) == "left") options.encode.truncation_side = tokenizer::Side::kLeft;
  options.encode.stride = args.integer(kStride);
  options.encode.return_overflow = args.flag(kOverflow);
  options.encode.tokens = true;
  return options;
}

// Tokenises and answers one record after the other.
class Answers {
 public:
  Answers(const cli::Arguments& args, const tokenizer::Tokenizer& tokenizer, Failures& failures)
      : args_(args), tokenizer_(tokenizer), failures_(failures), defaults_(case_options(args)) {}

  /// A record that is a text or a pair.
  std::string of_texts(const io::TextSource& source, Record& record) {
    if (!record.error.empty()) return failed(source, record, "", record.error, "invalid_record");
    tools::TokenizerCase c;
    c.texts = {std::move(*record.fields[0])};
    if (record.fields.size() > 1 && record.fields[1]) c.pairs = {std::move(*record.fields[1])};
    c.options = defaults_;
    return of_case(source, record, "", c);
  }

  /// A record of JSON text with its own options.
  std::string of_json(const io::TextSource& source, Record& record) {
    if (!record.error.empty()) return failed(source, record, "", record.error, "invalid_record");
    std::string id;
    try {
      const json::Document document =
          json::parse(*record.fields[0], "record", args_.integer(kMaxLineBytes));
      if (const auto given = document.root().find("id")) id = given->string();
      const tools::TokenizerCase c = read_case(document.root(), defaults_, tokenizer_);
      return of_case(source, record, id, c);
    } catch (const Error& error) {
      return failed(source, record, id, error.what(), "invalid_record");
    }
  }

 private:
  std::string of_case(const io::TextSource& source, const Record& record, const std::string& id,
                      const tools::TokenizerCase& c) {
    try {
      if (!args_.flag(kJson)) return plain(c);
      json::Writer out;
      begin(out, record, id);
      answer_case(out, c, tokenizer_, scratch_);
      return std::move(out.end_object()).text() + "\n";
    } catch (const tokenizer::TokenizerError& error) {
      return failed(source, record, id, error.what(), tokenizer::name(error.reason()));
    }
  }

  // Ids or tokens, a line for each text and for each further window.
  std::string plain(const tools::TokenizerCase& c) {
    std::string out;
    const auto line = [&](const tokenizer::Encoding& e) {
      for (std::size_t i = 0; i < e.ids.size(); ++i) {
        out += (i == 0 ? "" : " ") + (args_.flag(kTokens) ? e.tokens[i] : std::to_string(e.ids[i]));
      }
      out += '\n';
    };
    for (std::size_t i = 0; i < c.texts.size(); ++i) {
      const tokenizer::EncodeOptions& options = c.options.encode;
      const tokenizer::Encoding e =
          c.pairs.empty() ? tokenizer_.encode(c.texts[i], options, scratch_)
                          : tokenizer_.encode_pair(c.texts[i], c.pairs[i], options, scratch_);
      line(e);
      for (const tokenizer::Encoding& window : e.overflow) line(window);
    }
    return out;
  }

  static void begin(json::Writer& out, const Record& record, const std::string& id) {
    out.begin_object().key("index").integer(record.index);
    if (!id.empty()) out.key("id").string(id);
  }

  std::string failed(const io::TextSource& source, const Record& record, const std::string& id,
                     const std::string& message, const char* reason) {
    failures_.add(source.place(record), message);
    if (!args_.flag(kJson)) return "\n";
    json::Writer out;
    begin(out, record, id);
    out.key("error").string(reason).key("message").string(message).end_object();
    return std::move(out).text() + "\n";
  }

  const cli::Arguments& args_;
  const tokenizer::Tokenizer& tokenizer_;
  Failures& failures_;
  tools::CaseOptions defaults_;
  tokenizer::Scratch scratch_;
};

int run(const cli::Arguments& args, cli::Console& console) {
  const io::Destination to = destination(args);
  io::check_destination(to);
  const weights::OpenOptions open = open_options(args);
  const tokenizer::Tokenizer tokenizer =
      load_tokenizer(weights::Directory(std::string(args.text(kModel)), open.symlinks));

  std::vector<FieldRequest> fields{text_field(std::string(args.text(kTextColumn)))};
  if (const auto pair = args.maybe(kPairColumn)) fields.push_back(pair_field(*pair));
  io::TextOptions options = text_options(args, args.text(kInput), std::move(fields));
  options.records.invalid = InvalidText::kPass;  // the tokenizer looks at it, with a reason
  // Lines of JSON are records with options of their own, unless columns are named.
  const bool records = options.records.format == RecordFormat::kJsonl && !args.given(kTextColumn) &&
                       !args.given(kPairColumn);
  if (records) {
    options.records.format = RecordFormat::kText;
    options.records.fields.resize(1);
  }
  io::TextSource source = open_texts(args.positionals(), options);
  Failures failures(console.log);
  Answers answers(args, tokenizer, failures);
  io::write_to(to, console.out, [&](const io::Sink& sink) {
    for (Record record; source.next(record);) {
      const bool json = records && source.is_file();
      if (json && record.error.empty() &&
          record.fields[0]->find_first_not_of(" \t") == std::string::npos) {
        continue;
      }
      sink(json ? answers.of_json(source, record) : answers.of_texts(source, record));
    }
  });
  return failures.exit_code();
}

}  // namespace

constinit const cli::Command kTokenize{
    .name = "tokenize",
    .summary = "Turn texts into ids",
    .positionals = "[TEXT...]",
    .description =
        "Writes the ids of each text on a line, or with --json an object a line with ids, tokens, "
        "type_ids, attention_mask, special_tokens_mask, offsets (begin and end in characters, one "
        "after the other), offsets_bytes, word_ids and sequence_ids. A line of .jsonl input is a "
        "record: text, pair, texts, pairs, text_b64 or text_gen, and opt with options of its own "
        "as "
        "transformers names them; several texts and windows are answered as rows. A text that "
        "fails has the key error.",
    .examples =
        "# ids of a text, and back\n"
        "linnet tokenize --model DIR \"Bread rises.\" | linnet decode --model DIR\n",
    .options = kOptions,
    .run = run,
};

}  // namespace linnet::commands
