#include "tools/evaluate/squad_file.h"

#include <algorithm>
#include <unordered_set>

#include "tools/io/small_file.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 28;

json::Document parse_file(const std::string& path) {
  return json::parse(io::read_small_file(path, kMostBytes), path, kMostBytes);
}

SquadVersion version_of(json::Value root, const std::vector<SquadQuestion>& questions) {
  if (const auto version = root.find_non_null("version")) {
    std::string_view text = version->string();
    if (text.starts_with('v')) text.remove_prefix(1);
    if (text.starts_with("1.")) return SquadVersion::kOne;
    if (text.starts_with("2.")) return SquadVersion::kTwo;
    version->fail("found " + quote(version->string()) + ", expected 1.1 or v2.0");
  }
  const bool all = std::all_of(questions.begin(), questions.end(),
                               [](const SquadQuestion& q) { return !q.answers.empty(); });
  return all ? SquadVersion::kOne : SquadVersion::kTwo;
}

// What has the keys of a question, and maybe its context.
SquadQuestion read_question(json::Value question, std::string_view context) {
  SquadQuestion one{question.at("id").string(), question.at("question").string(), context, {}};
  const json::Value answers = question.at("answers");
  const auto start_of = [](json::Value answer) {
    const auto start = answer.find_non_null("answer_start");
    return start ? start->integer(0, kMostBytes) : -1;
  };
  if (answers.kind() == json::Kind::kObject) {
    for (const json::Value text : answers.at("text").elements()) {
      one.answers.push_back(text.string());
    }
    for (const json::Value start : answers.at("answer_start").elements()) {
      one.starts.push_back(start.integer(0, kMostBytes));
    }
    if (one.starts.size() != one.answers.size()) {
      answers.fail("has " + std::to_string(one.starts.size()) + " starts for " +
                   std::to_string(one.answers.size()) + " texts");
    }
    return one;
  }
  for (const json::Value answer : answers.elements()) {
    one.answers.push_back(answer.at("text").string());
    one.starts.push_back(start_of(answer));
  }
  return one;
}

}  // namespace

SquadFile read_squad(const std::string& path) {
  SquadFile file{parse_file(path), path, SquadVersion::kTwo, {}};
  const json::Value root = file.document.root();
  std::unordered_set<std::string_view> ids;
  const auto add = [&](json::Value question, std::string_view context) {
    file.questions.push_back(read_question(question, context));
    const std::string_view id = file.questions.back().id;
    if (!ids.insert(id).second) {
      question.at("id").fail("found " + quote(id) + " for the second time");
    }
  };
  for (const json::Value article : root.at("data").elements()) {
    if (const auto context = article.find("context")) {
      add(article, context->string());
      continue;
    }
    for (const json::Value paragraph : article.at("paragraphs").elements()) {
      const std::string_view context = paragraph.at("context").string();
      for (const json::Value question : paragraph.at("qas").elements()) add(question, context);
    }
  }
  if (file.questions.empty()) root.at("data").fail("has no question");
  file.version = version_of(root, file.questions);
  if (file.version == SquadVersion::kTwo) return file;
  for (const SquadQuestion& question : file.questions) {
    if (!question.answers.empty()) continue;
    throw Error(ErrorCode::kFormat, path + ": question " + quote(question.id) +
                                        " has no answer, expected one in version 1.1");
  }
  return file;
}

SquadPredictions read_squad_predictions(const std::string& path) {
  SquadPredictions predictions{parse_file(path), {}};
  for (const json::Member one : predictions.document.root().members()) {
    predictions.answers.emplace(one.key, one.value.string());
  }
  return predictions;
}

}  // namespace linnet::tools
