// Splitting words, sources and their order, on a small table of its own.
#include "tools/cli/arguments.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/temp_dir.h"
#include "tools/cli/exit_code.h"

namespace linnet::cli {
namespace {

constexpr Option kCount{.name = "max-count",
                        .kind = Kind::kInteger,
                        .value = "N",
                        .fallback = "7",
                        .letter = "n",
                        .low = 1,
                        .high = 9};
constexpr Option kScale{
    .name = "scale", .kind = Kind::kNumber, .value = "X", .fallback = "0.5", .low = 0, .high = 1};
constexpr Option kSide{
    .name = "side", .kind = Kind::kChoice, .value = "SIDE", .choices = "left|right"};
constexpr Option kName{.name = "name", .kind = Kind::kText, .value = "TEXT", .repeatable = true};
constexpr Option kLoud{.name = "loud", .letter = "l"};
constexpr Option kGrid{.name = "prompt-gen", .kind = Kind::kText, .value = "P,G", .letter = "pg"};
constexpr const Option* kOptions[] = {&kCount, &kScale, &kSide, &kName, &kLoud, &kGrid};
constexpr Command kCommand{
    .name = "do", .summary = "", .positionals = "[TEXT...]", .options = kOptions};

constexpr Option kOther{.name = "other", .kind = Kind::kText, .value = "TEXT", .required = true};
constexpr const Option* kOtherOptions[] = {&kOther};
constexpr Command kSecond{.name = "second", .summary = "", .options = kOtherOptions};
constexpr const Command* kCommands[] = {&kCommand, &kSecond};
constexpr Program kProgram{.name = "test", .summary = "", .commands = kCommands};

std::map<std::string, std::string>& variables() {
  static std::map<std::string, std::string> all;
  return all;
}

Arguments parse(std::vector<const char*> words, const Command& command = kCommand) {
  return Arguments(kProgram, command, split_words(command, words), [](const char* name) {
    const auto found = variables().find(name);
    return found == variables().end() ? nullptr : found->second.c_str();
  });
}

std::string refusal(std::vector<const char*> words, const Command& command = kCommand) {
  try {
    parse(std::move(words), command);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

class ArgumentsTest : public testing::Test {
 protected:
  void TearDown() override { variables().clear(); }
  test::TempDir dir_;
};

TEST_F(ArgumentsTest, Spellings) {
  for (const auto& words : std::vector<std::vector<const char*>>{{"--max-count", "3"},
                                                                 {"--max_count", "3"},
                                                                 {"--max-count=3"},
                                                                 {"--max_count=3"},
                                                                 {"-n", "3"},
                                                                 {"-n3"},
                                                                 {"-ln3"},
                                                                 {"-ln", "3"},
                                                                 {"--max-count=8", "-n3"}}) {
    EXPECT_EQ(parse(words).integer(kCount), 3) << words[0];
  }
  EXPECT_EQ(parse({"-pg", "1,2"}).text(kGrid), "1,2");
  EXPECT_TRUE(parse({"-l"}).flag(kLoud));
  EXPECT_FALSE(parse({"--loud=false"}).flag(kLoud));
}

TEST_F(ArgumentsTest, ValuesAreTakenAsTheyStand) {
  EXPECT_EQ(parse({"--name", "--loud"}).text(kName), "--loud");
  EXPECT_EQ(parse({"--name", "-x_y"}).text(kName), "-x_y");
  EXPECT_EQ(parse({"--name=a_b=c"}).text(kName), "a_b=c");
  EXPECT_EQ(parse({"--name="}).list(kName), std::vector<std::string>{""});
  EXPECT_EQ(parse({"--name", "[a,b]"}).list(kName), std::vector<std::string>{"[a,b]"});
  EXPECT_EQ(parse({"--name", "a", "--name", "b"}).list(kName),
            (std::vector<std::string>{"a", "b"}));
}

TEST_F(ArgumentsTest, PositionalsAreTakenAsTheyStand) {
  const Arguments args = parse({"[MASK]", "a", "-l", "-", "--", "--max-count", "--"});
  EXPECT_EQ(args.positionals(),
            (std::vector<std::string>{"[MASK]", "a", "-", "--max-count", "--"}));
  EXPECT_EQ(args.integer(kCount), 7);
}

TEST_F(ArgumentsTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(refusal({"--max-cuont", "3"}), "unknown option --max-cuont; did you mean --max-count?");
  EXPECT_EQ(refusal({"--max"}), "unknown option --max; did you mean --max-count?");
  EXPECT_EQ(refusal({"--zzzzzzzz"}),
            "unknown option --zzzzzzzz; text that begins with - goes after --");
  EXPECT_EQ(refusal({"-5 degrees"}),
            "unknown option -5 degrees; text that begins with - goes after --");
  EXPECT_EQ(refusal({"--max-count"}), "option --max-count needs a value: N");
  EXPECT_EQ(refusal({"-n"}), "option --max-count needs a value: N");
  EXPECT_EQ(refusal({}, kSecond), "option --other TEXT is needed");
  EXPECT_EQ(refusal({"--other", "x", "word"}, kSecond), "unexpected argument \"word\"");
}

TEST_F(ArgumentsTest, RefusesValuesThatDoNotFit) {
  EXPECT_EQ(refusal({"-n", "10"}), "--max-count: found \"10\", expected an integer from 1 to 9");
  for (const char* wrong : {"0", "", "3x", "1.0", "99999999999999999999", " 3", "+3"}) {
    EXPECT_NE(refusal({"--max-count", wrong}), "accepted") << wrong;
  }
  for (const char* wrong : {"1.5", "-0.1", "nan", "x", ""}) {
    EXPECT_NE(refusal({"--scale", wrong}), "accepted") << wrong;
  }
  EXPECT_EQ(refusal({"--side", "up"}), "--side: found \"up\", expected one of left|right");
  EXPECT_NE(refusal({"--side", ""}), "accepted");
  EXPECT_NE(refusal({"--side", "lef"}), "accepted");
  EXPECT_NE(refusal({"--loud=perhaps"}), "accepted");
}

TEST_F(ArgumentsTest, StrongestSourceWins) {
  dir_.write("config.json", R"({"max_count": 2, "scale": 0.25, "loud": true, "name": ["x", "y"]})");
  const std::string config = dir_.path("config.json");
  EXPECT_EQ(parse({}).integer(kCount), 7);
  EXPECT_FALSE(parse({}).given(kCount));
  EXPECT_EQ(parse({"--config", config.c_str()}).integer(kCount), 2);
  variables()["LINNET_MAX_COUNT"] = "4";
  EXPECT_EQ(parse({}).integer(kCount), 4);
  EXPECT_EQ(parse({"--config", config.c_str()}).integer(kCount), 4);
  const Arguments args = parse({"--config", config.c_str(), "-n", "5", "--name", "z"});
  EXPECT_EQ(args.integer(kCount), 5);
  EXPECT_TRUE(args.given(kCount));
  EXPECT_EQ(args.number(kScale), 0.25);
  EXPECT_TRUE(args.flag(kLoud));
  EXPECT_EQ(args.list(kName), std::vector<std::string>{"z"});
  EXPECT_EQ(parse({"--config", config.c_str()}).list(kName), (std::vector<std::string>{"x", "y"}));
  EXPECT_FALSE(parse({"--config", config.c_str(), "--loud=false"}).flag(kLoud));
}

TEST_F(ArgumentsTest, EnvironmentNamesTheConfiguration) {
  dir_.write("config.json", R"({"side": "left"})");
  variables()["LINNET_CONFIG"] = dir_.path("config.json");
  EXPECT_EQ(parse({}).text(kSide), "left");
}

TEST_F(ArgumentsTest, SourceIsNamedInRefusals) {
  variables()["LINNET_MAX_COUNT"] = "many";
  EXPECT_EQ(refusal({}), "LINNET_MAX_COUNT: found \"many\", expected an integer from 1 to 9");
  EXPECT_EQ(refusal({"-n", "3"}), "accepted") << "a weaker source is not looked at";
  variables().clear();
  dir_.write("config.json", R"({"side": "up"})");
  const std::string config = dir_.path("config.json");
  EXPECT_EQ(refusal({"--config", config.c_str()}),
            config + ": \"side\": found \"up\", expected one of left|right");
}

TEST_F(ArgumentsTest, ConfigurationIsRead) {
  const std::string config = dir_.path("config.json");
  const auto refused = [&](const char* content) {
    dir_.write("config.json", content);
    return refusal({"--config", config.c_str()});
  };
  EXPECT_EQ(refused(R"({"other": "of the second command"})"), "accepted");
  EXPECT_NE(refused(R"({"sid": "left"})").find("did you mean \"side\"?"), std::string::npos);
  EXPECT_NE(refused(R"({"max-count": "3", "max-count": "4"})"), "accepted");
  EXPECT_NE(refused(R"(["max-count"])"), "accepted");
  EXPECT_NE(refused(R"({"max-count": [3]})"), "accepted");
  EXPECT_NE(refused("{"), "accepted");
  EXPECT_NE(refusal({"--config", dir_.path("absent").c_str()}), "accepted");
}

TEST(Nearest, NeedsToBeNear) {
  constexpr std::string_view kNames[] = {"threads", "top-k", "text-column"};
  EXPECT_EQ(nearest("thread", kNames), "threads");
  EXPECT_EQ(nearest("htreads", kNames), "threads");
  EXPECT_EQ(nearest("topk", kNames), "top-k");
  EXPECT_EQ(nearest("tex", kNames), "text-column");
  EXPECT_EQ(nearest("x", kNames), "");
  EXPECT_EQ(nearest("", kNames), "");
  EXPECT_EQ(nearest("precision", kNames), "");
}

}  // namespace
}  // namespace linnet::cli
