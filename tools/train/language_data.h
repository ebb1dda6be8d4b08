#pragma once

#include "tools/train/data_set.h"

namespace linnet::tools {

/// Language modelling on whole text files, cut into blocks of the encoder's max_length tokens; what
/// is left at the end is not used. The next token: the file is one text, without special tokens.
/// Masked tokens: each line that is not empty is a text with its special tokens, one after the
/// other; what is hidden is drawn anew in every epoch. Throws kFormat for a file with less than a
/// block.
TaskData read_language_task(const DataOptions& options);

}  // namespace linnet::tools
