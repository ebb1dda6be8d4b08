#include "engine/tasks/embedder.h"

#include <algorithm>

#include "weights/base/json.h"

namespace linnet {
namespace {

// Tokens at the front of a prompted text that belong to the prompt: what the prompt alone gives,
// less the token that closes it.
std::int64_t prompt_tokens(const tokenizer::Tokenizer& tokenizer, std::string_view prompt) {
  if (prompt.empty()) return 0;
  const tokenizer::Encoding alone = tokenizer.encode(prompt);
  std::int64_t n = alone.size();
  if (n > 0 && alone.special_tokens_mask.back() != 0) --n;
  return n;
}

}  // namespace

bool has_tokenizer(const weights::Directory& directory) {
  return directory.has("tokenizer.json") || directory.has("vocab.txt") ||
         (directory.has("vocab.json") && directory.has("merges.txt"));
}

tokenizer::Tokenizer load_tokenizer(const weights::Directory& directory,
                                    const tokenizer::LoadOptions& options) {
  return tokenizer::Tokenizer::from_files(
      [&](std::string_view name) { return directory.read(name, json::kTokenizerBytes); }, options);
}

EmbeddingModel load_embedding_model(const std::filesystem::path& directory,
                                    const LoadOptions& options, const weights::OpenOptions& open) {
  weights::Checkpoint checkpoint(directory, open);
  tokenizer::Tokenizer tokenizer = load_tokenizer(checkpoint.directory());
  EmbeddingModel m{load_sentence_model(std::move(checkpoint), options), std::move(tokenizer)};
  const EncoderConfig& c = m.sentence.encoder.config;
  const std::string& name = m.sentence.encoder.checkpoint.directory().name();
  if (m.tokenizer.id_limit() > c.vocab_size) {
    throw Error(ErrorCode::kFormat, name + ": the tokenizer has ids up to " +
                                        std::to_string(m.tokenizer.id_limit() - 1) +
                                        ", the word embeddings have " +
                                        std::to_string(c.vocab_size) + " rows");
  }
  if (m.sentence.config.do_lower_case && !m.tokenizer.facts().lowercase) {
    throw Error(ErrorCode::kUnsupported,
                name +
                    ": sentence_bert_config.json asks for lower case (do_lower_case), which the "
                    "tokenizer does not make");
  }
  return m;
}

std::int64_t EmbeddingModel::max_length(std::optional<std::int64_t> asked) const {
  return effective_max_length(asked, sentence.config, tokenizer.facts().model_max_length,
                              sentence.encoder.config.positions);
}

Embedder::Embedder(const EmbeddingModel& model, const SessionOptions& options)
    : model_(model), session_(model.sentence, options) {}

std::vector<RowError> Embedder::embed(std::span<const std::string_view> texts, Mat<float> y,
                                      const EmbedOptions& options) {
  LINNET_ASSERT(y.rows == static_cast<std::int64_t>(texts.size()));
  const SentenceConfig& config = model_.sentence.config;
  TextBatchOptions batch_options;
  batch_options.max_length = model_.max_length(options.max_length);
  batch_options.too_long = options.too_long;
  batch_options.encode = options.encode;
  if (options.prompt) {
    batch_options.prompt = *options.prompt;
  } else {
    const std::string& name = options.prompt_name.value_or(config.default_prompt_name);
    if (!name.empty()) batch_options.prompt = config.prompt(name);
  }

  inputs_.clear();
  for (const std::string_view text : texts) inputs_.push_back({text, std::nullopt});
  const TextBatch batch = make_text_batch(model_.tokenizer, threads(), inputs_, batch_options);
  const std::vector<std::int64_t> prompts(batch.rows.size(),
                                          prompt_tokens(model_.tokenizer, batch_options.prompt));
  const auto B = static_cast<std::int64_t>(batch.rows.size());
  sorted_.resize(static_cast<std::size_t>(B * y.cols));
  const Mat<float> sorted{sorted_.data(), B, y.cols, y.cols};
  session_.embed(batch.batch(), sorted, prompts);
  for (std::int64_t b = 0; b < B; ++b) {
    std::copy_n(sorted.row(b), y.cols, y.row(batch.rows[static_cast<std::size_t>(b)]));
  }
  for (const RowError& error : batch.errors) std::fill_n(y.row(error.row), y.cols, 0.0f);
  return batch.errors;
}

}  // namespace linnet
