#pragma once

#include <string>
#include <vector>

#include "tools/train/labelled_texts.h"

namespace linnet::tools {

/// A sentence as words with a tag each.
struct TaggedSentence {
  std::vector<std::string> words, tags;
  std::int64_t line = 0;  // where it begins
};

struct TaggedWords {
  std::string file;
  std::vector<TaggedSentence> sentences;
};

/// Reads a file of CoNLL (a word a line: the word first, its tag last, white space between columns,
/// of which every line has as many; blank lines between sentences; -DOCSTART- lines are passed
/// over) or, named .jsonl or .json, an object a line with an array of words and one of tags
/// ("tokens", "words"; "ner_tags", "tags", "labels"). Throws kFormat naming file and line.
TaggedWords read_tagged(const std::string& path, const LabelledColumns& columns,
                        std::int64_t max_sentences);

}  // namespace linnet::tools
