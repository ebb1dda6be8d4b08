#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/tasks/squad_score.h"
#include "weights/base/json.h"

namespace linnet::tools {

struct SquadQuestion {
  std::string_view id, question, context;
  std::vector<std::string_view> answers;  // none: it has no answer
  std::vector<std::int64_t> starts{};     // of each answer in code points; -1: the file has none
};

/// A data set in the JSON of SQuAD; owns the text of its questions.
struct SquadFile {
  json::Document document;
  std::string name;
  SquadVersion version = SquadVersion::kTwo;
  std::vector<SquadQuestion> questions;
};

/// Reads a data set, of articles with paragraphs or, as the data sets of transformers' examples
/// have it, of questions: {"id", "question", "context", "answers": {"text": […], "answer_start":
/// […]}}. Its version is what "version" says ("1.1", "v2.0"), else kTwo when a question has no
/// answer. Throws kFormat naming file, line and key for anything that is not as in SQuAD, an id
/// that stands twice, and a question of version 1 without answer.
SquadFile read_squad(const std::string& path);

/// Answers by the ids of their questions: an object of texts. Owns the texts.
struct SquadPredictions {
  json::Document document;
  std::unordered_map<std::string_view, std::string_view> answers;
};

/// Throws kFormat when the file is no such object.
SquadPredictions read_squad_predictions(const std::string& path);

}  // namespace linnet::tools
