// What the commands read and write with.
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <cmath>
#include <cstring>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"
#include "tools/cli/exit_code.h"
#include "tools/io/input_stream.h"
#include "tools/io/output.h"
#include "tools/io/progress.h"
#include "tools/io/table.h"
#include "tools/io/vector_writer.h"
#include "weights/base/json.h"
#include "weights/directory.h"

namespace linnet::io {
namespace {

std::string text_of_lines(int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  return text;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string read_all(const std::string& path, std::size_t step) {
  InputStream stream(path);
  std::string out, block(step, '\0');
  while (const std::size_t n = stream.read(block.data(), step)) out.append(block, 0, n);
  return out;
}

TEST(InputStream, DecompressesWhatIsCompressed) {
  const test::TempDir dir;
  const std::string text = text_of_lines(40000);
  const std::pair<const char*, std::string> files[] = {
      {"plain", text},
      {"gzip", gzip(text)},
      {"two gzip members", gzip(text.substr(0, 1000)) + gzip(text.substr(1000))},
      {"zstd", zstd(text)},
      {"two zstd frames", zstd(text.substr(0, 300000)) + zstd(text.substr(300000))}};
  for (const auto& [name, content] : files) {
    dir.write(name, content);
    EXPECT_EQ(read_all(dir.path(name), 1 << 16), text) << name;
    EXPECT_EQ(read_all(dir.path(name), 777), text) << name;
  }
  dir.write("empty", "");
  dir.write("empty.gz", gzip(""));
  dir.write("short", "\x1F");
  EXPECT_EQ(read_all(dir.path("empty"), 10), "");
  EXPECT_EQ(read_all(dir.path("empty.gz"), 10), "");
  EXPECT_EQ(read_all(dir.path("short"), 10), "\x1F");
}

TEST(InputStream, DamageIsAnError) {
  const test::TempDir dir;
  const std::string text = text_of_lines(1000);
  for (const std::string& whole : {gzip(text), zstd(text)}) {
    for (const std::size_t cut : {std::size_t{5}, whole.size() / 2, whole.size() - 1}) {
      dir.write("cut", whole.substr(0, cut));
      EXPECT_NE(test::error_of(ErrorCode::kFormat, [&] { read_all(dir.path("cut"), 4096); }), "");
    }
    std::string wrong = whole;
    wrong[wrong.size() / 2] = static_cast<char>(wrong[wrong.size() / 2] ^ 0x55);
    wrong[wrong.size() / 2 + 1] = static_cast<char>(wrong[wrong.size() / 2 + 1] ^ 0x55);
    dir.write("wrong", wrong);
    try {  // zstd without a checksum may not notice, but may not crash either
      EXPECT_NE(read_all(dir.path("wrong"), 4096), text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
    }
  }
  dir.write("trailing", gzip(text) + "no gzip");
  test::error_of(ErrorCode::kFormat, [&] { read_all(dir.path("trailing"), 4096); });
}

TEST(InputStream, MissingFilesAndFoldersAreErrors) {
  const test::TempDir dir;
  EXPECT_EQ(test::error_of(ErrorCode::kIo, [&] { InputStream(dir.path("absent")); }),
            dir.path("absent") + ": No such file or directory");
  EXPECT_EQ(test::error_of(ErrorCode::kIo, [&] { InputStream(dir.path().string()); }),
            dir.path().string() + ": Is a directory");
}

TEST(Output, FilesAreCompleteOrAbsent) {
  const test::TempDir dir;
  Output unused(1, "standard output");
  const std::string large(300000, 'x');
  const Destination to{dir.path("file"), Overwrite::kRefuse};
  write_to(to, unused, [&](const Sink& sink) {
    sink("begin ");
    sink(large);
    sink(" end");
  });
  EXPECT_EQ(dir.read("file"), "begin " + large + " end");
  test::error_of(ErrorCode::kInvalidArgument, [&] { check_destination(to); });
  const Destination again{dir.path("file"), Overwrite::kAllow};
  const auto stopped = [](const Sink& sink) {
    sink("half");
    throw cli::Interrupted{2};
  };
  EXPECT_THROW(write_to(again, unused, stopped), cli::Interrupted);
  EXPECT_EQ(dir.read("file").size(), large.size() + 10) << "the old file is gone";
  EXPECT_EQ(dir.entries(), 1);
}

std::string written(VectorFormat format, int failed_row) {
  std::string out;
  VectorOptions options;
  options.format = format;
  options.dimensions = 2;
  options.spool_folder = "/tmp";
  options.schema = "test.1";
  VectorWriter writer(options, [&](std::string_view text) { out += text; });
  for (int i = 0; i < 3; ++i) {
    if (i == failed_row) {
      writer.add_failed("too \"long\"");
    } else {
      const float row[] = {static_cast<float>(i), -0.1F};
      writer.add(row);
    }
  }
  writer.finish();
  return out;
}

TEST(VectorWriter, Jsonl) {
  EXPECT_EQ(written(VectorFormat::kJsonl, 1),
            "{\"index\": 0, \"embedding\": [0, -0.100000001]}\n"
            "{\"index\": 1, \"error\": \"too \\\"long\\\"\"}\n"
            "{\"index\": 2, \"embedding\": [2, -0.100000001]}\n");
}

TEST(VectorWriter, JsonIsOneDocument) {
  const std::string text = written(VectorFormat::kJson, 1);
  const json::Document document = json::parse(text.substr(0, text.size() - 1), "out", 1 << 20);
  const json::Value root = document.root();
  EXPECT_EQ(root.at("schema").string(), "test.1");
  EXPECT_EQ(root.at("dimensions").integer(), 2);
  EXPECT_EQ(root.at("embeddings").size(), 3);
  EXPECT_EQ(root.at("errors").size(), 1);
  const std::string none = written(VectorFormat::kJson, -1);
  EXPECT_EQ(json::parse(none.substr(0, none.size() - 1), "out", 1 << 20).root().at("errors").size(),
            0);
}

TEST(VectorWriter, NpyIsWhatNumpyReads) {
  const std::string text = written(VectorFormat::kNpy, 1);
  const std::string header("\x93NUMPY\x01\x00\x76\x00", 10);
  EXPECT_EQ(text.substr(0, 10), header);
  EXPECT_EQ(text.substr(10, 59), "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }");
  ASSERT_EQ(text.size(), 128 + 3 * 2 * sizeof(float));
  EXPECT_EQ(text[127], '\n');
  float values[6];
  std::memcpy(values, text.data() + 128, sizeof(values));
  EXPECT_EQ(values[1], -0.1F);
  EXPECT_TRUE(std::isnan(values[2]) && std::isnan(values[3]));
  EXPECT_EQ(values[4], 2.0F);
}

TEST(VectorWriter, SafetensorsIsWhatWeRead) {
  const test::TempDir dir;
  dir.write("out.safetensors", written(VectorFormat::kSafetensors, -1));
  const weights::Directory folder(dir.path());
  const weights::Safetensors file(std::move(*folder.open("out.safetensors")));
  const weights::TensorView* tensor = file.find("embeddings");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(weights::shape_text(tensor->shape), "[3, 2]");
  EXPECT_EQ(file.metadata().at("schema"), "test.1");
}

TEST(VectorWriter, Int8RowsInEveryFormat) {
  const auto written_bytes = [](VectorFormat format) {
    std::string out;
    VectorOptions options;
    options.format = format;
    options.type = VectorType::kInt8;
    options.dimensions = 3;
    options.spool_folder = "/tmp";
    VectorWriter writer(options, [&](std::string_view text) { out += text; });
    const std::int8_t row[] = {-128, 0, 127};
    writer.add(row);
    writer.add_failed("no");
    writer.finish();
    return out;
  };
  const std::string bytes("\x80\0\x7F\0\0\0", 6);
  EXPECT_EQ(written_bytes(VectorFormat::kJsonl),
            "{\"index\": 0, \"embedding\": [-128, 0, 127]}\n"
            "{\"index\": 1, \"error\": \"no\"}\n");
  const std::string npy = written_bytes(VectorFormat::kNpy);
  EXPECT_EQ(npy.substr(10, 59), "{'descr': '|i1', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(npy.substr(128), bytes);
  const test::TempDir dir;
  dir.write("out.safetensors", written_bytes(VectorFormat::kSafetensors));
  const weights::Directory folder(dir.path());
  const weights::Safetensors file(std::move(*folder.open("out.safetensors")));
  const weights::TensorView* tensor = file.find("embeddings");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->dtype, weights::DType::kI8);
  EXPECT_EQ(weights::shape_text(tensor->shape), "[2, 3]");
  EXPECT_TRUE(dir.read("out.safetensors").ends_with(bytes));
}

TEST(VectorWriter, ManyRowsGoThroughAFile) {
  std::string out;
  VectorOptions options;
  options.format = VectorFormat::kNpy;
  options.dimensions = 1000;
  options.spool_folder = "/tmp";
  VectorWriter writer(options, [&](std::string_view text) { out += text; });
  std::vector<float> row(1000);
  for (int i = 0; i < 1500; ++i) {
    row[999] = static_cast<float>(i);
    writer.add(row);
  }
  writer.finish();
  ASSERT_EQ(out.size(), 128 + 1500 * 4000U);
  float last = 0;
  std::memcpy(&last, out.data() + out.size() - 4, 4);
  EXPECT_EQ(last, 1499.0F);
}

TEST(Table, LinesUpAndIsHarmless) {
  Table table({{"name"}, {"n", Table::Align::kRight}, {"text"}});
  table.add({"a", "1", "x"});
  table.add({"日本", "10", "tab\tand\x1b[31m\xE2\x80\xAE\xFF"});
  EXPECT_EQ(table.text(),
            "name   n  text\n"
            "a      1  x\n"
            "日本  10  tab and\\u001b[31m\\u202e\xEF\xBF\xBD\n");
}

TEST(Progress, Text) {
  EXPECT_EQ(progress_text("texts", 0, -1, 0), "0 texts");
  EXPECT_EQ(progress_text("texts", 500, -1, 2), "500 texts, 250/s");
  EXPECT_EQ(progress_text("texts", 500, 0.25, 2), "500 texts, 250/s, 25%, 0:06 left");
  EXPECT_EQ(progress_text("texts", 1, 0.01, 10), "1 texts, 0/s, 1%, 16:30 left");
}

}  // namespace
}  // namespace linnet::io
