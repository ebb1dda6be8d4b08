#include "engine/tasks/record_reader.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace linnet {
namespace {

// A stream that gives `step` bytes at a time: borders of blocks must not be seen in the records.
ReadBytes bytes_of(std::string content, std::size_t step) {
  return [content = std::move(content), step, at = std::size_t{0}](char* to,
                                                                   std::size_t bytes) mutable {
    const std::size_t n = std::min({bytes, step, content.size() - at});
    content.copy(to, n, at);
    at += n;
    return n;
  };
}

// All records as text: "LINE: field|field", "LINE! error".
std::vector<std::string> read_all(const std::string& content, RecordOptions options,
                                  std::size_t step = 1 << 20) {
  RecordReader reader(bytes_of(content, step), "data", std::move(options));
  std::vector<std::string> out;
  std::int64_t index = 0;
  for (Record record; reader.next(record);) {
    EXPECT_EQ(record.index, index++);
    std::string text = std::to_string(record.line);
    if (!record.error.empty()) {
      out.push_back(text + "! " + record.error);
      continue;
    }
    text += ":";
    for (const auto& field : record.fields) text += field ? " " + *field + "|" : " -";
    out.push_back(text);
  }
  return out;
}

using Lines = std::vector<std::string>;

// The message of the error with this code that reading throws.
std::string refusal(const std::string& content, const RecordOptions& options) {
  return test::error_of(ErrorCode::kFormat, [&] { read_all(content, options); });
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

RecordOptions options_for(RecordFormat format, std::vector<FieldRequest> fields = {text_field()}) {
  RecordOptions options;
  options.format = format;
  options.fields = std::move(fields);
  return options;
}

TEST(RecordFormat, ComesFromTheName) {
  EXPECT_EQ(record_format_of("a/b.txt"), RecordFormat::kText);
  EXPECT_EQ(record_format_of("a.jsonl"), RecordFormat::kJsonl);
  EXPECT_EQ(record_format_of("a.ndjson.gz"), RecordFormat::kJsonl);
  EXPECT_EQ(record_format_of("a.csv.zst"), RecordFormat::kCsv);
  EXPECT_EQ(record_format_of("a.tsv"), RecordFormat::kTsv);
  EXPECT_EQ(record_format_of("-"), RecordFormat::kText);
  EXPECT_EQ(record_format_of(""), RecordFormat::kText);
}

TEST(TextRecords, AreLines) {
  const RecordOptions o = options_for(RecordFormat::kText);
  EXPECT_EQ(read_all("", o), Lines{});
  EXPECT_EQ(read_all("a", o), Lines{"1: a|"});
  EXPECT_EQ(read_all("a\n", o), Lines{"1: a|"});
  EXPECT_EQ(read_all("a\r\n\nb\rc\n", o), (Lines{"1: a|", "2: |", "3: b\rc|"}));
  EXPECT_EQ(read_all("\n", o), Lines{"1: |"});
  EXPECT_EQ(read_all("\xEF\xBB\xBF", o), Lines{});
  EXPECT_EQ(read_all("\xEF\xBB\xBF\xEF\xBB\xBFx", o), Lines{"1: \xEF\xBB\xBFx|"})
      << "one mark is dropped";
  EXPECT_EQ(read_all(std::string("a\0b\n", 4), o), Lines{std::string("1: a\0b|", 7)});
}

TEST(TextRecords, InvalidUtf8FailsOrPasses) {
  RecordOptions o = options_for(RecordFormat::kText);
  const std::string content = "fine\nbad \xC3(\nfine\n";
  EXPECT_EQ(read_all(content, o), (Lines{"1: fine|", "2! invalid UTF-8 at byte 4", "3: fine|"}));
  o.invalid = InvalidText::kPass;
  EXPECT_EQ(read_all(content, o)[1], "2: bad \xC3(|");
}

TEST(TextRecords, Utf16IsRefused) {
  for (const char* mark : {"\xFF\xFE", "\xFE\xFF"}) {
    EXPECT_EQ(refusal(mark, options_for(RecordFormat::kText)),
              "data: found UTF-16, expected UTF-8");
  }
}

TEST(TextRecords, LongLinesFailAlone) {
  RecordOptions o = options_for(RecordFormat::kText);
  o.max_line_bytes = 5;
  const std::string content = "12345\n123456\n12345\n" + std::string(200000, 'x') + "\nend";
  const Lines want{"1: 12345|", "2! the line has more than 5 bytes", "3: 12345|",
                   "4! the line has more than 5 bytes", "5: end|"};
  EXPECT_EQ(read_all(content, o), want);
  EXPECT_EQ(read_all(content, o, 1), want);
  EXPECT_EQ(read_all("123456", o), Lines{"1! the line has more than 5 bytes"});
}

TEST(JsonRecords, KeysByNameOrGuessed) {
  const RecordOptions o = options_for(RecordFormat::kJsonl, {text_field(), pair_field()});
  EXPECT_EQ(read_all(R"({"sentence1": "a", "sentence2": "b", "label": 1})"
                     "\n\n  \r\n"
                     R"({"premise": "c", "hypothesis": "d"})",
                     o),
            (Lines{"1: a| b|", "4: c| d|"}));
  const RecordOptions named =
      options_for(RecordFormat::kJsonl, {text_field("body"), {"n", {}, false}});
  EXPECT_EQ(read_all("{\"text\": \"no\", \"body\": \"yes\", \"n\": 1.5}\n{\"body\": \"x\"}", named),
            (Lines{"1: yes| 1.5|", "2: x| -"}));
}

TEST(JsonRecords, BadLinesFailAlone) {
  const Lines got = read_all(
      "{\"text\": \"a\"}\n"
      "{\"text\": }\n"
      "{\"other\": \"a\"}\n"
      "[1]\n"
      "{\"text\": [1]}\n"
      "{\"text\": \"a\", \"text\": \"b\"}\n"
      "{\"text\": \"\xFF\"}\n"
      "{\"text\": \"z\"}\n",
      options_for(RecordFormat::kJsonl));
  ASSERT_EQ(got.size(), 8U);
  EXPECT_EQ(got.front(), "1: a|");
  EXPECT_EQ(got.back(), "8: z|");
  for (std::size_t i = 1; i < 7; ++i) {
    EXPECT_EQ(got[i].substr(0, 3), std::to_string(i + 1) + "! ") << got[i];
  }
  EXPECT_EQ(got[1].substr(0, 12), "2! column 10");
  EXPECT_NE(got[2].find("there are: \"other\""), std::string::npos) << got[2];
}

TEST(TsvRecords, ColumnsByNameAndNoQuoting) {
  const RecordOptions o = options_for(RecordFormat::kTsv);
  EXPECT_EQ(read_all("label\tsentence\n1\tsaid \"so\r\n0\t\"\n", o),
            (Lines{"2: said \"so|", "3: \"|"}));
  EXPECT_EQ(read_all("content\tlabel\nx\t1", o), Lines{"2: x|"});
  EXPECT_EQ(read_all("\xEF\xBB\xBFQuality\t#1 String\t#2 String\n1\ta\tb\n",
                     options_for(RecordFormat::kTsv, {text_field(), pair_field()})),
            Lines{"2: a| b|"});
  EXPECT_EQ(read_all("text\ta\none\n1\t2\t3\n1\t2\n", o),
            (Lines{"2! found 1 cells, expected 2", "3! found 3 cells, expected 2", "4: 1|"}));
}

TEST(TsvRecords, MissingColumnsAreNamed) {
  EXPECT_EQ(refusal("a\tb\n1\t2\n", options_for(RecordFormat::kTsv, {text_field("c")})),
            "data: no column \"c\"; there are: \"a\", \"b\"");
  EXPECT_TRUE(
      has(refusal("a\tb\n1\t2\n", options_for(RecordFormat::kTsv)), "there are: \"a\", \"b\""));
  EXPECT_EQ(read_all("", options_for(RecordFormat::kTsv)), Lines{});
}

TEST(CsvRecords, QuotingOfRfc4180) {
  const RecordOptions o = options_for(RecordFormat::kCsv, {text_field(), {"label", {}, true}});
  const std::string content =
      "label,\"text\"\r\n"
      "1,plain\r\n"
      "2,\"with, comma and \"\"quotes\"\"\"\r\n"
      "3,\"two\r\nlines\n\"\r\n"
      "\"4\",\r\n"
      "\r\n"
      "5,\"\"\n"
      "6, spaced ";
  const Lines want{"2: plain| 1|",
                   "3: with, comma and \"quotes\"| 2|",
                   "4: two\r\nlines\n| 3|",
                   "7: | 4|",
                   "9: | 5|",
                   "10:  spaced | 6|"};
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
    EXPECT_EQ(read_all(content, o, step), want) << step;
  }
}

TEST(CsvRecords, BadRowsFailAlone) {
  const RecordOptions o = options_for(RecordFormat::kCsv);
  EXPECT_EQ(read_all("text,n\n"
                     "a\"b,1\n"
                     "\"a\"b,1\n"
                     "one\n"
                     "1,2,3\n"
                     "fine,1\n"
                     "\"never closed,1\n"
                     "swallowed,1\n",
                     o),
            (Lines{"2! a quote inside a cell without quotes",
                   "3! text after the closing quote of a cell", "4! found 1 cells, expected 2",
                   "5! found 3 cells, expected 2", "6: fine|", "7! a quote is never closed"}));
}

TEST(CsvRecords, LongRecordsFailAlone) {
  RecordOptions o = options_for(RecordFormat::kCsv);
  o.max_line_bytes = 12;
  EXPECT_EQ(read_all("text\n\"12345\n12345\n123\"\nfine\n", o),
            (Lines{"2! the line has more than 12 bytes", "5: fine|"}));
}

TEST(CsvRecords, HeaderMustBeSound) {
  const RecordOptions o = options_for(RecordFormat::kCsv);
  EXPECT_TRUE(has(refusal("\"text\nx\n", o), "a quote is never closed"));
  EXPECT_TRUE(has(refusal("name,value\n", o), "no column of \"text\""));
}

// A stream fails where it fails: not before, and not silently.
TEST(Records, ErrorsOfTheStreamComeThrough) {
  int calls = 0;
  RecordReader reader(
      [&](char* to, std::size_t bytes) -> std::size_t {
        if (++calls > 1) throw Error(ErrorCode::kIo, "disk on fire");
        return std::string_view("aaa\n").copy(to, bytes);
      },
      "data", options_for(RecordFormat::kText));
  Record record;
  EXPECT_TRUE(reader.next(record));
  EXPECT_EQ(test::error_of(ErrorCode::kIo, [&] { reader.next(record); }), "disk on fire");
}

}  // namespace
}  // namespace linnet
