#pragma once

#include <memory>

#include "tools/train/data_set.h"
#include "tools/train/tagged_words.h"

namespace linnet::tools {

/// Names of the tags of a file, as class_names() has them.
std::vector<std::string> tag_names(const TaggedWords& words, const CommonConfig& model);

/// Sentences as ids: the first token of each word has the word's tag, all others none. Scores are
/// those of the words, with the tag O for words that were cut away or have no token.
DataSet tagged_data_set(std::shared_ptr<const TaggedWords> words,
                        const std::vector<std::string>& names, const TextEncoder& encoder);

}  // namespace linnet::tools
