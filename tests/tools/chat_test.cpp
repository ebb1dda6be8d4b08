// `linnet generate --chat`, at a terminal and at a pipe.
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tests/support/process.h"

namespace linnet::test {
namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

constexpr const char* kYelp = "checkpoints/gpt2-yelp";

std::string model() { return (data_dir() / kYelp).string(); }

Words chat(const Words& more) {
  Words words{LINNET_PROGRAM, "generate", "--model", model(), "--chat"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Finished lines(const std::string& input, const Words& more) {
  return run({.arguments = chat(more), .input = input});
}

Json ids_of(const std::string& text) {
  const Finished done = run({.arguments = {LINNET_PROGRAM, "tokenize", "--model", model(), "--json",
                                           "--no-special-tokens", text}});
  return Json::parse(done.out).at("ids");
}

// What a request gets for the ids.
Json continued(const Json& ids, Json request) {
  request["prompts"] = Json::array({ids});
  const Finished done =
      run({.arguments = {LINNET_PROGRAM, "generate", "--model", model(), "--requests", "-"},
           .input = request.dump()});
  return Json::parse(done.out);
}

TEST(Chat, GoesOnWithTheWholeText) {
  LINNET_NEEDS(data_dir() / kYelp);
  Json ids;
  std::string want;
  int turn = 0;
  for (const char* line : {"the food was", "\nand the service", "\nwe", ""}) {
    const Json more = *line == '\0' ? Json::array() : ids_of(line);
    for (const Json& id : more) ids.push_back(id);
    const Json answer =
        continued(ids, {{"max_new_tokens", 5}, {"do_sample", true}, {"seed", 7 + turn++}});
    for (const Json& id : answer.at("new_tokens")[0]) ids.push_back(id);
    want += answer.at("texts")[0].get<std::string>() + "\n";
  }
  const Finished got = lines("the food was\nand the service\nwe\n\n",
                             {"--max-new-tokens", "5", "--do-sample", "--seed", "7"});
  EXPECT_EQ(got.exit_code, 0);
  EXPECT_EQ(got.out, want) << got.err;
  EXPECT_EQ(got.err, "");
}

TEST(Chat, AnEndTokenEndsAnAnswerAndIsNoPartOfTheText) {
  LINNET_NEEDS(data_dir() / kYelp);
  const Json ids = ids_of("the food was");
  const Json answer = continued(ids, {{"max_new_tokens", 3}}).at("new_tokens")[0];
  Json text = ids;
  text.push_back(answer[0]);
  for (const Json& id : ids_of("\nwe")) text.push_back(id);
  const std::string end = answer[1].dump();
  const Finished got =
      lines("the food was\nwe\n", {"--max-new-tokens", "9", "--eos-token-id", end});
  const Json second = continued(text, {{"max_new_tokens", 9}, {"eos_token_id", answer[1]}});
  const std::string shown = second.at("texts")[0];
  EXPECT_TRUE(got.out.ends_with("\n" + shown + "\n")) << got.out << "\n" << shown;
}

TEST(Chat, LinesThatFailAreReportedAndTheRestGoesOn) {
  LINNET_NEEDS(data_dir() / kYelp);
  const Finished got = lines("\nbad \xff line\n" + std::string(99, 'x') + "\nthe food\n",
                             {"--max-new-tokens", "4", "--max-line-bytes", "90"});
  EXPECT_EQ(got.exit_code, 3);
  EXPECT_NE(got.err.find("line 1: the line has no token"), std::string::npos) << got.err;
  EXPECT_NE(got.err.find("line 2: text: not UTF-8"), std::string::npos) << got.err;
  EXPECT_NE(got.err.find("line 3: the line has more than 90 bytes"), std::string::npos) << got.err;
  EXPECT_EQ(got.out, lines("the food\n", {"--max-new-tokens", "4"}).out);
  EXPECT_EQ(
      lines("bad \xff line\n", {"--max-new-tokens", "4", "--invalid-utf8", "replace"}).exit_code,
      0);
}

TEST(Chat, ContextOverflowIsAnErrorOrSlides) {
  LINNET_NEEDS(data_dir() / kYelp);
  std::string talk;
  for (int i = 0; i < 12; ++i) talk += "the food was good and\n";
  const Finished refused = lines(talk, {"--max-new-tokens", "9"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_NE(refused.err.find("more than the 64 that fit"), std::string::npos) << refused.err;
  const Finished slid = lines(talk, {"--max-new-tokens", "9", "--context-overflow", "slide"});
  EXPECT_EQ(slid.exit_code, 0) << slid.err;
  EXPECT_TRUE(slid.out.starts_with(refused.out)) << slid.out << refused.out;
}

TEST(Chat, WhatMakesNoSenseWithItIsRefused) {
  LINNET_NEEDS(data_dir() / kYelp);
  for (const Words& words :
       {Words{"the food"}, Words{"--json"}, Words{"--requests", "-"}, Words{"--input", "x"},
        Words{"--output", "x"}, Words{"--logprobs", "2"}}) {
    const Finished got = lines("a\n", words);
    EXPECT_EQ(got.exit_code, 2) << words[0];
    EXPECT_NE(got.err.find("--chat comes without"), std::string::npos) << got.err;
  }
  for (const Words& words :
       {Words{"--num-beams", "2"}, Words{"--do-sample", "--num-return-sequences", "2"}}) {
    const Finished got = lines("a\n", words);
    EXPECT_EQ(got.exit_code, 1) << words[0];
    EXPECT_NE(got.err.find("found 2, expected 1 in a chat"), std::string::npos) << got.err;
  }
}

TEST(Chat, ASignalEndsItAtAPipe) {
  LINNET_NEEDS(data_dir() / kYelp);
  Child child(chat({"--context-overflow", "slide", "--max-new-tokens", "1000000000"}));
  child.write("the food was\n");
  static_cast<void>(child.read_line());  // an answer has begun, and has no end
  child.kill(SIGINT);
  EXPECT_EQ(child.wait().exit_code, 130);
}

TEST(Chat, AtATerminal) {
  LINNET_NEEDS(data_dir() / kYelp);
  TerminalChild child(chat({"--max-new-tokens", "4"}));
  EXPECT_EQ(child.read_until("> "), "> ");
  child.type("a\n");  // so short a line is answered at once
  const std::string first = child.read_until("\n> ");
  EXPECT_EQ(first, "a\n" + lines("a\n", {"--max-new-tokens", "4"}).out + "> ");
  child.type("/clear\n");
  child.read_until("> ");
  child.type("a\n");
  EXPECT_EQ(child.read_until("\n> "), first);
  child.type("\x04");
  const Finished done = child.wait();
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_EQ(done.out, "\n");
  EXPECT_NE(done.err.find("Ctrl-D"), std::string::npos) << done.err;
}

TEST(Chat, CtrlCEndsTheAnswerAndGoesBackToTheMark) {
  LINNET_NEEDS(data_dir() / kYelp);
  TerminalChild child(chat({"--context-overflow", "slide", "--max-new-tokens", "1000000000"}));
  child.read_until("> ");
  for (const char* line : {"the food was", "we had"}) {
    child.type(std::string(line) + "\n");
    const std::string echo = child.read_until("\n");
    EXPECT_EQ(echo, std::string(line) + "\n");
    child.read_until(" ");  // the answer has begun
    child.type("\x03");
    const std::string rest = child.read_until("\n> ");
    EXPECT_TRUE(rest.ends_with("\n> ")) << rest;
    EXPECT_NO_THROW(static_cast<void>(Json(rest).dump())) << "not UTF-8";
  }
  child.type("dropped\x03");  // at the mark it drops the line
  const std::string dropped = child.read_until("\n> ");
  EXPECT_TRUE(dropped.ends_with("\n> ")) << dropped;
  child.type("\x04");
  EXPECT_EQ(child.wait().exit_code, 0);
}

}  // namespace
}  // namespace linnet::test
