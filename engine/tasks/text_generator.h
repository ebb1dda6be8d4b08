#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/generate/generator.h"
#include "tokenizer/tokenizer.h"

namespace linnet {

/// A GPT-2 with a language-model head, its tokenizer where the directory has one, and what
/// generation_config.json says. Immutable; share it among threads, each with a task object.
struct LanguageModel {
  Gpt2Model gpt2;
  std::optional<tokenizer::Tokenizer> tokenizer;
  GenerationParameters defaults;

  /// The tokenizer; throws kInvalidArgument where there is none.
  const tokenizer::Tokenizer& text() const;
};

/// Reads a Hugging Face directory. The end token is that of generation_config.json, else that of
/// config.json. Throws Error: kIo, kFormat, kUnsupported, kNumeric, kLimit.
LanguageModel load_language_model(const std::filesystem::path& directory,
                                  const LoadOptions& options,
                                  const weights::OpenOptions& open = {});

/// What is to be generated, and when its text ends.
struct TextRequest {
  GenerationParameters parameters;
  std::vector<std::string> stop_strings;  // a text ends before the first of them that appears
  /// Asked after every token, but for beam search: true ends its sequence with what is there.
  std::function<bool()> end_now = {};
};

struct GeneratedText {
  GeneratedSequence sequence;
  std::string text;  // without special tokens; empty where there is no tokenizer
};

/// The text of one sequence as its tokens come: whole characters, and nothing that may turn out to
/// be the beginning of a stop string.
class TextStream {
 public:
  TextStream(const tokenizer::Tokenizer& tokenizer, const std::vector<std::string>& stop_strings);
  /// The text that this token releases.
  std::string step(std::int32_t token);
  /// The rest.
  std::string finish();
  /// A stop string has come: nothing follows.
  bool stopped() const { return stopped_; }

 private:
  std::string release(std::string more, bool last);

  tokenizer::DecodeStream decode_;
  const std::vector<std::string>& stop_strings_;
  std::string held_;
  bool stopped_ = false;
};

/// Text in, text out.
class TextGenerator {
 public:
  TextGenerator(const LanguageModel& model, const SessionOptions& session = {},
                const GeneratorOptions& options = {});

  /// Called with the text of a sequence piece by piece; the pieces join to its text. Not called by
  /// beam search. May throw, which ends the generation.
  using NewText = std::function<void(std::int64_t sequence, std::string_view piece)>;

  /// num_return_sequences for each prompt, one prompt after the other; errors of
  /// Generator::generate().
  std::vector<GeneratedText> generate(std::span<const std::vector<std::int32_t>> prompts,
                                      const TextRequest& request, const NewText& new_text = {});

  /// The ids of a prompt, without tokens of the tokenizer's own.
  std::vector<std::int32_t> encode(std::string_view prompt,
                                   const tokenizer::EncodeOptions& options = {}) const;
  /// True for a token whose text ends with a newline.
  bool ends_line(std::int32_t token) const;
  Gpt2Session& session() { return session_; }
  const LanguageModel& model() const { return model_; }

 private:
  const LanguageModel& model_;
  Gpt2Session session_;
  Generator generator_;
};

}  // namespace linnet
