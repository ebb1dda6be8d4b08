// The program from outside: exit codes, streams, signals.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/data.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace linnet::test {
namespace {

std::string model() { return (data_dir() / "vocab/bert-base-uncased").string(); }

Invocation linnet(std::vector<std::string> words) {
  words.insert(words.begin(), LINNET_PROGRAM);
  return {.arguments = std::move(words)};
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Program, HelpAndVersionAreNoErrors) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"--help"},
                                                                 {"-h"},
                                                                 {"help"},
                                                                 {"help", "version"},
                                                                 {"--version"},
                                                                 {"version"},
                                                                 {"version", "--help"},
                                                                 {"tokenize", "--version"},
                                                                 {"tokenize", "--help", "--bogus"},
                                                                 {"completion", "bash"},
                                                                 {"run", "--help"},
                                                                 {"man"},
                                                                 {"man", "version"}}) {
    const Finished done = run(linnet(words));
    EXPECT_EQ(done.exit_code, 0) << words[0];
    EXPECT_EQ(done.err, "");
    EXPECT_NE(done.out, "");
  }
}

TEST(Program, UsageErrors) {
  for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                 {"bogus"},
                                                                 {"--json"},
                                                                 {"help", "bogus"},
                                                                 {"man", "bogus"},
                                                                 {"completion", "tcsh"},
                                                                 {"version", "--bogus"},
                                                                 {"version", "word"},
                                                                 {"run"},
                                                                 {"run", "--task"},
                                                                 {"run", "--task", "fil-mask"},
                                                                 {"run", "--", "--task", "ner"},
                                                                 {"version", "--config"},
                                                                 {"tokenize", "text"}}) {
    const Finished done = run(linnet(words));
    EXPECT_EQ(done.exit_code, 2) << (words.empty() ? "" : words[0]);
    EXPECT_EQ(done.out, "");
    EXPECT_EQ(done.err.substr(0, 7), "error: ");
  }
  EXPECT_TRUE(has(run(linnet({"version", "--kernel"})).err, "did you mean --kernels?"));
  EXPECT_TRUE(has(run(linnet({"verison"})).err, "did you mean version?"));
}

TEST(Program, ACommandByItsTask) {
  const std::string fill = run(linnet({"fill", "--help"})).out;
  EXPECT_EQ(run(linnet({"run", "--task", "fill-mask", "--help"})).out, fill);
  EXPECT_EQ(run(linnet({"run", "--help", "--task=fill-mask"})).out, fill);
  EXPECT_EQ(run(linnet({"pipeline", "--task", "fill-mask", "--help"})).out, fill);
  EXPECT_TRUE(has(run(linnet({"run", "--task", "fil-mask"})).err, "did you mean fill-mask?"));
  // The command's own rules hold for the words that are left.
  EXPECT_TRUE(has(run(linnet({"run", "--task", "ner", "x"})).err, "--model"));
  EXPECT_TRUE(has(run(linnet({"run", "--task", "ner", "--bogus"})).err, "unknown option --bogus"));
}

TEST(Program, RuntimeErrors) {
  const Finished done = run(linnet({"tokenize", "--model", "absent", "text"}));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(done.err, "error: absent: No such file or directory\n");
  EXPECT_EQ(run(linnet({"version", "--kernels", "--isa", "sse2"})).exit_code, 1);
}

TEST(Program, MessagesAsJson) {
  const Finished done =
      run(linnet({"tokenize", "--log-format", "json", "--model", "absent", "text"}));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(done.err,
            "{\"level\": \"error\", \"message\": \"absent: No such file or directory\"}\n");
}

TEST(Program, VerboseSaysWhatRunsAndWhatItTook) {
  LINNET_NEEDS(std::filesystem::path(model()));
  const Finished quiet = run(linnet({"tokenize", "--model", model(), "a b"}));
  const Finished done = run(linnet({"tokenize", "--model", model(), "--verbose", "a b"}));
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_EQ(done.out, quiet.out);
  EXPECT_EQ(quiet.err, "");
  EXPECT_EQ(done.err.rfind("note: linnet ", 0), 0u) << done.err;
  EXPECT_TRUE(has(done.err, " MB of memory\n")) << done.err;
}

TEST(Program, EnvironmentIsASource) {
  Invocation version = linnet({"version", "--kernels"});
  version.environment = {{"LINNET_JSON", "1"}, {"LINNET_ISA", "reference"}};
  const Finished done = run(version);
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_TRUE(has(done.out, "\"level\": \"reference\""));
  EXPECT_TRUE(has(done.out, "\"gemm_f32\": \"reference\""));
  version.environment = {{"LINNET_ISA", "bogus"}};
  EXPECT_EQ(run(version).exit_code, 1);
}

TEST(Program, FullDisk) {
  for (const char* command : {"version", "--help", "man"}) {
    Invocation full = linnet({command});
    full.output = "/dev/full";
    const Finished done = run(full);
    EXPECT_EQ(done.exit_code, 1) << command;
    EXPECT_EQ(done.err, "error: standard output: No space left on device\n");
  }
  LINNET_NEEDS(std::filesystem::path(model()));
  const Finished file =
      run(linnet({"tokenize", "--model", model(), "--output", "/dev/full", "text"}));
  EXPECT_EQ(file.exit_code, 1);
  EXPECT_EQ(file.err, "error: /dev/full: No space left on device\n");
}

TEST(Program, ClosedDescriptors) {
  Invocation no_output = linnet({"version"});
  no_output.closed = {1};
  EXPECT_EQ(run(no_output).exit_code, 1);
  EXPECT_EQ(run(no_output).err, "error: standard output: Bad file descriptor\n");
  Invocation nothing = linnet({"version"});
  nothing.closed = {0, 1, 2};
  EXPECT_EQ(run(nothing).exit_code, 1);
  LINNET_NEEDS(std::filesystem::path(model()));
  Invocation no_input = linnet({"tokenize", "--model", model()});
  no_input.closed = {0};
  const Finished done = run(no_input);
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(done.err, "error: standard input: Bad file descriptor\n");
}

TEST(Program, BrokenPipeEndsQuietly) {
  Invocation version = linnet({"version"});
  version.output_has_no_reader = true;
  const Finished done = run(version);
  EXPECT_EQ(done.signal, SIGPIPE);
  EXPECT_EQ(done.err, "");
}

TEST(Program, SignalsEndItWithTheirCode) {
  LINNET_NEEDS(std::filesystem::path(model()));
  const TempDir dir;
  for (const int signal : {SIGINT, SIGTERM}) {
    Child child({LINNET_PROGRAM, "tokenize", "--model", model(), "--output", dir.path("ids")});
    // It has read the model once it waits for text; a second signal would end it the hard way.
    while (dir.entries() == 0) usleep(1000);
    child.kill(signal);
    const Finished done = child.wait();
    EXPECT_EQ(done.exit_code, 128 + signal);
    EXPECT_EQ(done.err, "");
    EXPECT_EQ(dir.entries(), 0) << "an unfinished file is left";
  }
}

TEST(Program, FilesAreNotOverwritten) {
  LINNET_NEEDS(std::filesystem::path(model()));
  const TempDir dir;
  dir.write("ids", "old");
  Invocation tokenize = linnet({"tokenize", "--model", model(), "-o", dir.path("ids"), "bread"});
  const Finished refused = run(tokenize);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_TRUE(has(refused.err, "--force"));
  EXPECT_EQ(dir.read("ids"), "old");
  tokenize.arguments.emplace_back("--force");
  EXPECT_EQ(run(tokenize).exit_code, 0);
  EXPECT_EQ(dir.read("ids"), "101 7852 102\n");
  EXPECT_EQ(dir.entries(), 1) << "a temporary file is left";
  EXPECT_EQ(run(linnet({"tokenize", "--model", model(), "-o", dir.path(""), "x"})).exit_code, 1);
  EXPECT_EQ(run(linnet({"tokenize", "--model", model(), "-o", dir.path("no/ids"), "x"})).exit_code,
            1);
}

}  // namespace
}  // namespace linnet::test
