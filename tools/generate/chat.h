#pragma once

#include "engine/tasks/text_generator.h"
#include "tools/cli/program.h"

namespace linnet::tools {

struct ChatOptions {
  TextRequest request;  // of every answer; its seed grows by 1 with each
  tokenizer::EncodeOptions encode;
  std::int64_t max_line_bytes = 0;
};

/// Reads lines from standard input and answers each: the model continues the text of all lines and
/// answers so far, of which its cache holds what it has read. A line begins on a line of its own in
/// that text; an empty one lets the model go on. An end token ends an answer and is no part of the
/// text. On a terminal there is a mark before each line, SIGINT ends the answer or drops the line,
/// and "/clear" forgets the text. Gives the exit code. Throws Error for parameters of more than one
/// text, Interrupted.
int chat(TextGenerator& generator, const ChatOptions& options, cli::Console& console);

}  // namespace linnet::tools
