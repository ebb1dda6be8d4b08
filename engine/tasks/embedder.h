#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/sentence_model.h"
#include "engine/tasks/text_batch.h"
#include "tokenizer/tokenizer.h"

namespace linnet {

/// A sentence model with its tokenizer: text in, vectors out. Immutable; share it among threads,
/// each with an Embedder of its own.
struct EmbeddingModel {
  SentenceModel sentence;
  tokenizer::Tokenizer tokenizer;

  std::int64_t dimensions() const { return sentence.dimensions(); }
  /// Longest text in tokens when EmbedOptions asks for nothing else.
  std::int64_t max_length(std::optional<std::int64_t> asked = std::nullopt) const;
};

/// Reads a Hugging Face or sentence-transformers directory. Throws Error: kIo, kFormat,
/// kUnsupported, kNumeric, kLimit.
EmbeddingModel load_embedding_model(const std::filesystem::path& directory,
                                    const LoadOptions& options,
                                    const weights::OpenOptions& open = {});

/// True if there are files that load_tokenizer reads.
bool has_tokenizer(const weights::Directory& directory);

/// A tokenizer from a model directory, read with the rules of weights::Directory.
tokenizer::Tokenizer load_tokenizer(const weights::Directory& directory,
                                    const tokenizer::LoadOptions& options = {});

struct EmbedOptions {
  /// Name of a prompt of the model; absent: its default prompt, if it has one. "" for none.
  std::optional<std::string> prompt_name;
  /// Text to put before every text, instead of a named prompt.
  std::optional<std::string> prompt;
  std::optional<std::int64_t> max_length;  // tokens, specials included
  TooLong too_long = TooLong::kTruncate;
  tokenizer::EncodeOptions encode;  // parse_special and invalid_utf8
};

/// Embeds texts. Owns scratch memory and threads; one thread uses it at a time.
class Embedder {
 public:
  /// The model must outlive it.
  explicit Embedder(const EmbeddingModel& model, const SessionOptions& options = {});

  /// y [texts, dimensions()] without gaps, in the order of the texts; the bytes of a row depend on
  /// its text alone. Rows that could not be embedded are reported and filled with zeros.
  std::vector<RowError> embed(std::span<const std::string_view> texts, Mat<float> y,
                              const EmbedOptions& options = {});

  const EmbeddingModel& model() const { return model_; }
  SentenceSession& session() { return session_; }
  Threads& threads() { return session_.encoder().threads(); }

 private:
  const EmbeddingModel& model_;
  SentenceSession session_;
  std::vector<TextInput> inputs_;
  std::vector<float> sorted_;  // embeddings in the order of the batch
};

}  // namespace linnet
