#include "engine/tasks/text_generator.h"

#include <algorithm>
#include <utility>

#include "engine/tasks/embedder.h"
#include "weights/base/error.h"
#include "weights/base/json.h"

namespace linnet {
namespace {

tokenizer::DecodeOptions decode_options() {
  tokenizer::DecodeOptions options;
  options.skip_special_tokens = true;
  options.lenient = true;  // rows of the embedding without a token say nothing
  return options;
}

// How many of the last bytes of `text` begin a stop string.
std::size_t possible_stop(std::string_view text, const std::vector<std::string>& stop_strings) {
  std::size_t longest = 0;
  for (const std::string& stop : stop_strings) {
    for (std::size_t n = std::min(text.size(), stop.size() - 1); n > longest; --n) {
      if (text.ends_with(std::string_view(stop).substr(0, n))) longest = n;
    }
  }
  return longest;
}

}  // namespace

const tokenizer::Tokenizer& LanguageModel::text() const {
  if (tokenizer) return *tokenizer;
  throw Error(ErrorCode::kInvalidArgument,
              gpt2.checkpoint.directory().name() + ": has no tokenizer, and texts need one");
}

LanguageModel load_language_model(const std::filesystem::path& directory,
                                  const LoadOptions& options, const weights::OpenOptions& open) {
  weights::Checkpoint checkpoint(directory, open);
  if (!is_gpt2(checkpoint.config())) {
    throw Error(ErrorCode::kUnsupported,
                checkpoint.directory().name() + ": config.json is of no gpt2");
  }
  const HeadKind head = read_common_config(checkpoint.config()).head;
  if (head != HeadKind::kCausalLm && head != HeadKind::kBase) {
    throw Error(ErrorCode::kInvalidArgument, checkpoint.directory().name() +
                                                 ": the model has the head " + name(head) +
                                                 ", expected a language-model head");
  }
  LoadOptions with_head = options;
  with_head.head = HeadKind::kCausalLm;
  std::optional<tokenizer::Tokenizer> tokenizer;
  if (has_tokenizer(checkpoint.directory())) tokenizer = load_tokenizer(checkpoint.directory());
  const auto generation = checkpoint.directory().read("generation_config.json", json::kConfigBytes);
  LanguageModel m{load_gpt2(std::move(checkpoint), with_head), std::move(tokenizer), {}};
  const Gpt2Config& c = m.gpt2.config;
  if (c.eos_token_id) m.defaults.eos_token_id = {static_cast<std::int32_t>(*c.eos_token_id)};
  if (generation) {
    const json::Document document =
        json::parse(*generation, "generation_config.json", json::kConfigBytes);
    read_parameters(document.root(), m.defaults, UnknownKeys::kIgnore);
  }
  if (m.tokenizer && m.tokenizer->id_limit() > c.vocab_size) {
    throw Error(ErrorCode::kFormat,
                m.gpt2.checkpoint.directory().name() + ": the tokenizer has ids up to " +
                    std::to_string(m.tokenizer->id_limit() - 1) + ", the word embeddings have " +
                    std::to_string(c.vocab_size) + " rows");
  }
  return m;
}

TextStream::TextStream(const tokenizer::Tokenizer& tokenizer,
                       const std::vector<std::string>& stop_strings)
    : decode_(tokenizer, decode_options()), stop_strings_(stop_strings) {}

std::string TextStream::step(std::int32_t token) {
  return stopped_ ? std::string() : release(decode_.step(token), false);
}

std::string TextStream::finish() {
  return stopped_ ? std::string() : release(decode_.finish(), true);
}

std::string TextStream::release(std::string more, bool last) {
  held_ += more;
  std::size_t end = std::string::npos;
  for (const std::string& stop : stop_strings_) end = std::min(end, held_.find(stop));
  if (end != std::string::npos) {
    stopped_ = true;
  } else {
    end = held_.size() - (last ? 0 : possible_stop(held_, stop_strings_));
  }
  std::string released = held_.substr(0, end);
  held_.erase(0, end);
  return released;
}

TextGenerator::TextGenerator(const LanguageModel& model, const SessionOptions& session,
                             const GeneratorOptions& options)
    : model_(model), session_(model.gpt2, session), generator_(session_, options) {}

std::vector<std::int32_t> TextGenerator::encode(std::string_view prompt,
                                                const tokenizer::EncodeOptions& options) const {
  tokenizer::EncodeOptions plain = options;
  plain.add_special_tokens = false;
  return model_.text().encode(prompt, plain).ids;
}

bool TextGenerator::ends_line(std::int32_t token) const {
  return model_.text().decode({&token, 1}, decode_options()).ends_with('\n');
}

std::vector<GeneratedText> TextGenerator::generate(
    std::span<const std::vector<std::int32_t>> prompts, const TextRequest& request,
    const NewText& new_text) {
  const GenerationParameters& p = request.parameters;
  for (const std::string& stop : request.stop_strings) {
    if (stop.empty())
      throw Error(ErrorCode::kInvalidArgument, "stop_strings: one of them is empty");
  }
  if (!request.stop_strings.empty()) {
    static_cast<void>(model_.text());
    if (p.num_beams > 1) {
      throw Error(ErrorCode::kInvalidArgument, "stop_strings: not with beam search");
    }
  }
  check(p);
  std::vector<GeneratedText> results(prompts.size() *
                                     static_cast<std::size_t>(p.num_return_sequences));
  std::vector<TextStream> streams;
  if (model_.tokenizer) {
    for (std::size_t i = 0; i < results.size(); ++i) {
      streams.emplace_back(*model_.tokenizer, request.stop_strings);
    }
  }
  const auto say = [&](std::size_t i, const std::string& piece) {
    results[i].text += piece;
    if (new_text && !piece.empty()) new_text(static_cast<std::int64_t>(i), piece);
  };
  const auto take = [&](std::int64_t sequence, std::int32_t token) {
    const auto i = static_cast<std::size_t>(sequence);
    const bool end = request.end_now && request.end_now();
    if (streams.empty()) return end;
    say(i, streams[i].step(token));
    return end || streams[i].stopped();
  };
  std::vector<GeneratedSequence> sequences = generator_.generate(prompts, p, take);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    results[i].sequence = std::move(sequences[i]);
    if (streams.empty()) continue;
    if (p.num_beams > 1) {
      results[i].text = model_.text().decode(results[i].sequence.tokens, decode_options());
    } else {
      say(i, streams[i].finish());
      if (streams[i].stopped()) results[i].sequence.reason = FinishReason::kStopped;
    }
  }
  return results;
}

}  // namespace linnet
