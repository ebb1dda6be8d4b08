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

}  // namespace

SquadFile read_squad(const std::string& path) {
  SquadFile file{parse_file(path), path, SquadVersion::kTwo, {}};
  const json::Value root = file.document.root();
  std::unordered_set<std::string_view> ids;
  for (const json::Value article : root.at("data").elements()) {
    for (const json::Value paragraph : article.at("paragraphs").elements()) {
      const std::string_view context = paragraph.at("context").string();
      for (const json::Value question : paragraph.at("qas").elements()) {
        const json::Value id = question.at("id");
        SquadQuestion one{id.string(), question.at("question").string(), context, {}};
        if (!ids.insert(one.id).second) id.fail("found " + quote(one.id) + " for the second time");
        for (const json::Value answer : question.at("answers").elements()) {
          one.answers.push_back(answer.at("text").string());
        }
        file.questions.push_back(std::move(one));
      }
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
