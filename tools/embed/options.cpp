#include "tools/embed/options.h"

#include <cstdio>

namespace linnet::commands {

EmbedOptions embed_options(const cli::Arguments& args) {
  EmbedOptions options;
  options.prompt = args.maybe(kPrompt);
  options.prompt_name = args.maybe(kPromptName);
  options.max_length = args.maybe_integer(kMaxLength);
  if (args.flag(kNoTruncate)) options.too_long = TooLong::kRefuse;
  options.encode = encode_options(args);
  return options;
}

EmbeddingModel embedding_model(const cli::Arguments& args, const cli::Log& log) {
  return load_embedding_model(std::string(args.text(kModel)), load_options(args, log),
                              open_options(args));
}

Similarity similarity_of(const cli::Arguments& args, const EmbeddingModel& model) {
  return parse_similarity(args.given(kSimilarity) ? args.text(kSimilarity)
                                                  : model.sentence.config.similarity);
}

std::string score_text(float score) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", static_cast<double>(score));
  return text;
}

}  // namespace linnet::commands
