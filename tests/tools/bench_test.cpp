// `linnet bench` from outside, on sizes that take no time: what is written, never how fast it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

using nlohmann::ordered_json;

Finished bench(std::vector<std::string> words) {
  words.insert(words.begin(), {LINNET_PROGRAM, "bench"});
  return run({.arguments = std::move(words)});
}

ordered_json json_of(std::vector<std::string> words) {
  words.insert(words.end(), {"--format", "json", "--no-progress"});
  const Finished done = bench(std::move(words));
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  return ordered_json::parse(done.out);
}

std::vector<std::string> keys(const ordered_json& object) {
  std::vector<std::string> names;
  for (const auto& item : object.items()) names.push_back(item.key());
  return names;
}

const std::vector<std::string> kProvenance = {
    "schema",       "version",         "build_commit",     "compiler",   "cpu_info",
    "cpus",         "levels_detected", "threads_provider", "huge_pages", "clock_probe",
    "memory_probe", "test_time",       "command",          "rows"};

void expect_provenance(const ordered_json& document, const std::string& schema) {
  EXPECT_EQ(keys(document), kProvenance);
  EXPECT_EQ(document["schema"], schema);
  EXPECT_GT(document["clock_probe"], 0.0);
  EXPECT_GT(document["memory_probe"], 0.0);
  const auto command = document["command"].get<std::string>();
  EXPECT_EQ(command.substr(0, 13), "linnet bench ") << command;
}

TEST(Bench, GemmAsJson) {
  const ordered_json document =
      json_of({"gemm", "--shape", "17x9,50x64", "--rows", "1,3", "--cache", "hot", "--pages",
               "both", "--threads", "1,2", "--repetitions", "2"});
  expect_provenance(document, "linnet.bench.gemm.1");
  const ordered_json& rows = document["rows"];
  ASSERT_EQ(rows.size(), 2U * 2U * 2U * 2U * 2U);  // types, shapes, rows, pages, threads
  std::set<std::string> cells;
  for (const ordered_json& row : rows) {
    EXPECT_EQ(keys(row),
              (std::vector<std::string>{
                  "type",      "library",   "isa",        "kernel",         "m",
                  "n",         "k",         "weights",    "pages",          "n_threads",
                  "min_ns",    "p25_ns",    "p50_ns",     "p25_us",         "ratio_p25",
                  "gops",      "peak_gops", "peak_share", "weights_gbytes", "memory_share",
                  "same_bits", "agrees",    "result",     "samples_ns"}));
    EXPECT_TRUE(row["same_bits"].get<bool>());
    EXPECT_EQ(row["samples_ns"].size(), 2U);
    EXPECT_GT(row["min_ns"], 0.0);
    EXPECT_LE(row["min_ns"], row["p25_ns"]);
    EXPECT_LE(row["p25_ns"], row["p50_ns"]);
    EXPECT_GT(row["peak_gops"], 0.0);
    EXPECT_TRUE(row["memory_share"].is_null());
    const double operations =
        2.0 * row["m"].get<double>() * row["n"].get<double>() * row["k"].get<double>();
    EXPECT_NEAR(row["gops"].get<double>(), operations / row["p25_ns"].get<double>(), 1e-9);
    cells.insert(row["type"].dump() + row["m"].dump() + row["n"].dump() + row["k"].dump() +
                 row["pages"].dump() + row["n_threads"].dump());
  }
  EXPECT_EQ(cells.size(), rows.size());
}

TEST(Bench, EveryLevelTakesItsTurn) {
  const ordered_json document =
      json_of({"gemm", "--shape", "40x33", "--rows", "2", "--isa", "all", "--repetitions", "1"});
  std::set<std::string> levels;
  for (const ordered_json& row : document["rows"]) {
    EXPECT_TRUE(row["same_bits"].get<bool>()) << row.dump();
    levels.insert(row["isa"].get<std::string>());
  }
  EXPECT_TRUE(levels.contains("reference"));
  EXPECT_TRUE(levels.contains("avx2"));
  EXPECT_EQ(document["rows"].size(), 2 * levels.size());
}

TEST(Bench, OtherLibrariesTakeTheirTurn) {
  const auto words = [](const char* libraries) {
    return std::vector<std::string>{"gemm", "--shape",   "40x33",  "--rows",      "2",
                                    "-r",   "2",         "--type", "f32,s8,bf16", "--threads",
                                    "1,2",  "--against", libraries};
  };
  for (const std::string library : {"onednn", "openblas"}) {
    if (bench(words(library.c_str())).exit_code != 0) continue;  // not on this machine
    std::set<std::string> types;
    const ordered_json document = json_of(words(library.c_str()));
    for (const ordered_json& row : document["rows"]) {
      if (row["library"] == "linnet") continue;
      EXPECT_EQ(row["library"], library);
      EXPECT_EQ(row["n_threads"], 1);
      EXPECT_GT(row["ratio_p25"], 0.0);
      EXPECT_TRUE(row["same_bits"].is_null());
      const auto result = row["result"].get<std::string>();
      EXPECT_LT(std::stod(result.substr(result.find(' '))), 1e-4) << result;
      types.insert(row["type"].get<std::string>());
    }
    EXPECT_EQ(types.size(), library == "openblas" ? 1U : 3U);
  }
}

TEST(Bench, ColdWeightsAreComparedWithMemory) {
  const ordered_json document = json_of({"gemm", "--shape", "768x768", "--rows", "1", "--type",
                                         "s8", "--cache", "cold", "--repetitions", "1"});
  ASSERT_EQ(document["rows"].size(), 1U);
  EXPECT_EQ(document["rows"][0]["weights"], "cold");
  EXPECT_GT(document["rows"][0]["memory_share"], 0.0);
}

TEST(Bench, ModelOfAShapeAsJson) {
  const ordered_json document = json_of({"model", "--random", "minilm", "--batch-size", "1,2",
                                         "--n-prompt", "3", "--threads", "1,2", "-r", "2"});
  expect_provenance(document, "linnet.bench.model.1");
  ASSERT_EQ(document["rows"].size(), 4U);
  for (const ordered_json& row : document["rows"]) {
    for (const char* name :
         {"model_type", "model_size", "number_format", "backend",     "isa",        "n_threads",
          "n_batch",    "n_prompt",   "n_gen",         "real_tokens", "avg_ns",     "stddev_ns",
          "min_ns",     "p25_ns",     "p50_ns",        "p99_ns",      "avg_ts",     "stddev_ts",
          "load_ns",    "rss_before", "rss_peak",      "same_bits",   "samples_ns", "samples_ts"}) {
      EXPECT_TRUE(row.contains(name)) << name;
    }
    EXPECT_EQ(row["model_type"], "minilm");
    EXPECT_EQ(row["number_format"], "fp32");
    EXPECT_TRUE(row["same_bits"].get<bool>());
    EXPECT_EQ(row["real_tokens"].get<int>(), row["n_batch"].get<int>() * 3);
    EXPECT_EQ(row["samples_ns"].size(), 2U);
    EXPECT_GT(row["model_size"], 4 * 10'000'000);  // 10.6 million numbers without the vocabulary
    EXPECT_GT(row["rss_peak"], row["rss_before"]);
  }
}

TEST(Bench, PrecisionsTakeTurnsWithFp32) {
  const std::vector<std::string> words = {
      "model", "--random",    "minilm",    "--batch-size",  "2",        "-p",  "9", "-t", "1", "-r",
      "3",     "--precision", "int8,bf16", "--no-progress", "--format", "json"};
  const Finished done = bench(words);
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const ordered_json rows = ordered_json::parse(done.out)["rows"];
  ASSERT_EQ(rows.size(), 3U);
  const char* const formats[] = {"fp32", "int8", "bf16"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rows[i]["number_format"], formats[i]);
    EXPECT_GT(rows[i]["cosine"], 0.98);
    EXPECT_LE(rows[i]["cosine"], 1 + 1e-9);
    // What is slower is said, and nothing else.
    const std::string note = std::string(formats[i]) + " is slower than fp32";
    EXPECT_EQ(done.err.find(note) != std::string::npos, i > 0 && rows[i]["ratio_p25"] > 1.0)
        << done.err;
  }
  EXPECT_EQ(rows[0]["ratio_p25"], 1.0);
  EXPECT_LT(rows[1]["model_size"], rows[0]["model_size"]);
  EXPECT_LT(rows[1]["cosine"], 1.0);
}

TEST(Bench, EveryFormatHasEveryRow) {
  const auto lines = [](const std::string& format) {
    const Finished done = bench({"gemm", "--shape", "8x8", "--rows", "1,2,3", "--type", "s8", "-r",
                                 "1", "--format", format});
    EXPECT_EQ(done.exit_code, 0) << format << done.err;
    return done.out;
  };
  const auto count = [](const std::string& text, const std::string& what) {
    std::ptrdiff_t n = 0;
    for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count(lines("csv"), "\n"), 4);
  EXPECT_EQ(count(lines("jsonl"), "\n"), 3);
  EXPECT_EQ(count(lines("jsonl"), "\"schema\": \"linnet.bench.gemm.1\""), 3);
  EXPECT_EQ(count(lines("sql"), "INSERT INTO gemm VALUES ("), 3);
  EXPECT_EQ(count(lines("sql"), "CREATE TABLE IF NOT EXISTS gemm ("), 1);
  EXPECT_EQ(count(lines("md"), "\n| s8 | "), 3);
  EXPECT_EQ(count(lines("table"), "\ns8 "), 3);
  // As many cells in each line as in the first.
  const std::string csv = lines("csv");
  const std::string head = csv.substr(0, csv.find('\n'));
  const std::string row = csv.substr(csv.find('\n') + 1, csv.find('\n', csv.find('\n') + 1));
  EXPECT_GE(count(row, ","), count(head, ","));
}

TEST(Bench, AFileIsNotOverwritten) {
  const TempDir dir;
  const std::vector<std::string> words = {
      "gemm", "--shape", "8x8",      "--rows",           "1", "--type", "s8",
      "-r",   "1",       "--output", dir.path("out.txt")};
  EXPECT_EQ(bench(words).exit_code, 0);
  EXPECT_NE(dir.read("out.txt"), "");
  EXPECT_EQ(bench(words).exit_code, 1);
}

TEST(Bench, RandomWeightsAreRemoved) {
  const TempDir dir;
  const Finished done = run({.arguments = {LINNET_PROGRAM, "bench", "model", "--random", "minilm",
                                           "--batch-size", "1", "--n-prompt", "1", "-r", "1"},
                             .environment = {{"TMPDIR", dir.path().string()}}});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(dir.entries(), 0);
}

TEST(Bench, WhatCannotBeUnderstood) {
  struct Case {
    std::vector<std::string> words;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {{}, "gemm or model"},
           {{"conv"}, "gemm or model"},
           {{"gemm", "model"}, "gemm or model"},
           {{"gemm", "--rows", "0"}, "--rows: found \"0\", expected integers from 1"},
           {{"gemm", "--rows", "1,,2"}, "--rows"},
           {{"gemm", "--rows", "1x"}, "--rows"},
           {{"gemm", "--rows", "99999999999999999999"}, "--rows"},
           {{"gemm", "--shape", "768"}, "--shape: found \"768\", expected NxK"},
           {{"gemm", "--shape", "0x8"}, "--shape"},
           {{"gemm", "--shape", "8x8x8"}, "--shape"},
           {{"gemm", "--shape", ""}, "--shape"},
           {{"gemm", "--type", "f64"}, "--type: found \"f64\", expected f32"},
           {{"gemm", "--against", "blis"},
            "--against: found \"blis\", expected onednn or openblas"},
           {{"gemm", "--cache", "warm"}, "--cache"},
           {{"gemm", "--threads", "0"}, "--threads"},
           {{"gemm", "--format", "xml"}, "--format"},
           {{"gemm", "--random", "minilm"}, "bench gemm has no option --random"},
           {{"model", "--random", "minilm", "--rows", "1"}, "bench model has no option --rows"},
           {{"model", "--random", "minilm", "--precision", "fp16"},
            "--precision: found \"fp16\", expected fp32, bf16 or int8"},
           {{"gemm", "--precision", "bf16"}, "bench gemm has no option --precision"},
           {{"model"}, "--model DIR or --random NAME"},
           {{"model", "--random", "gpt5"}, "--random"},
           {{"model", "--random", "minilm", "--model", "x"}, "not both"},
           {{"model", "--random", "minilm", "-p", "a"}, "--n-prompt"}}) {
    const Finished done = bench(c.words);
    EXPECT_EQ(done.exit_code, 2) << done.err;
    EXPECT_EQ(done.out, "");
    EXPECT_NE(done.err.find(c.message), std::string::npos) << done.err;
  }
  EXPECT_EQ(bench({"gemm", "--isa", "sse2"}).exit_code, 1);
  const Finished absent =
      run({.arguments = {LINNET_PROGRAM, "bench", "gemm", "--against", "openblas"},
           .environment = {{"LINNET_OPENBLAS", "/absent.so"}}});
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_NE(absent.err.find("/absent.so"), std::string::npos) << absent.err;
  EXPECT_EQ(bench({"model", "--model", "absent"}).exit_code, 1);
  EXPECT_EQ(bench({"model", "--random", "minilm", "-p", "513", "-r", "1"}).exit_code, 1);
}

}  // namespace
}  // namespace linnet::test
