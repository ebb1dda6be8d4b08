#include "tools/train/language_data.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "engine/core/math.h"
#include "engine/tasks/window_batch.h"
#include "tools/io/small_file.h"
#include "weights/base/error.h"

namespace linnet::tools {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 31;

// Blocks of `length` tokens one after the other, at most `limit` of them.
DataSet blocks(const std::string& file, std::vector<std::int32_t> tokens, std::int64_t length,
               std::int64_t limit, bool types) {
  DataSet data;
  const auto found = static_cast<std::int64_t>(tokens.size());
  std::int64_t count = found / length;
  if (limit > 0) count = std::min(count, limit);
  if (count == 0) {
    throw Error(ErrorCode::kFormat, file + ": has " + std::to_string(found) +
                                        " tokens, expected a block of " + std::to_string(length) +
                                        " at least");
  }
  tokens.resize(static_cast<std::size_t>(count * length));
  train::Examples& e = data.examples;
  e.tokens = std::move(tokens);
  if (types) e.types.resize(e.tokens.size());
  for (std::int64_t i = 1; i <= count; ++i) e.starts.push_back(i * length);
  data.records = count;
  // exp(mean of -log p) of what the loss was.
  data.score = [](Scores& scores, std::span<const float>) {
    scores.add("perplexity", math::exp(scores.find("loss")->value));
  };
  return data;
}

// Bytes of a text that are encoded together.
constexpr std::size_t kPart = std::size_t{1} << 20;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The text in parts that begin with a line's end between two letters: of the tokens of byte-level
// BPE none reaches over such a place.
std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  while (text.size() > kPart) {
    std::size_t at = text.find('\n', kPart);
    while (at != text.npos &&
           !(at + 1 < text.size() && is_letter(text[at - 1]) && is_letter(text[at + 1]))) {
      at = text.find('\n', at + 1);
    }
    if (at == text.npos) break;
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at);
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::int32_t> tokens_of_file(const std::string& text, const TextEncoder& encoder) {
  tokenizer::EncodeOptions options;
  options.add_special_tokens = false;
  const auto ids = [&](std::string_view part) {
    return encoder.tokenizer.encode(part, options).ids;
  };
  // Where a space goes in front of every text, the text is encoded as one.
  std::vector<std::int32_t> both = ids("a");
  const std::vector<std::int32_t> second = ids("\na");
  both.insert(both.end(), second.begin(), second.end());
  if (both != ids("a\na")) return ids(text);
  const std::vector<std::string_view> parts = parts_of(text);
  std::vector<std::vector<std::int32_t>> found(parts.size());
  for_each_on_all_threads(
      encoder.threads, static_cast<std::int64_t>(parts.size()), [&](std::int64_t i) {
        found[static_cast<std::size_t>(i)] = ids(parts[static_cast<std::size_t>(i)]);
      });
  std::vector<std::int32_t> tokens;
  for (const auto& part : found) tokens.insert(tokens.end(), part.begin(), part.end());
  return tokens;
}

// Lines of the text that are not empty.
std::vector<TextInput> lines_of(const std::string& text) {
  std::vector<TextInput> lines;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) lines.push_back({line, {}});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

std::vector<std::int32_t> tokens_of_lines(const std::string& file, const std::string& text,
                                          const TextEncoder& encoder) {
  const std::vector<TextInput> lines = lines_of(text);
  TextBatchOptions options;
  options.max_length = std::numeric_limits<std::int32_t>::max();
  const TextBatch batch = make_text_batch(encoder.tokenizer, encoder.threads, lines, options);
  if (!batch.errors.empty()) {
    const RowError& first = batch.errors.front();
    throw Error(first.code,
                file + ": text " + std::to_string(first.row + 1) + ": " + first.message);
  }
  std::vector<std::size_t> sequence_of(batch.rows.size());
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    sequence_of[static_cast<std::size_t>(batch.rows[i])] = i;
  }
  std::vector<std::int32_t> tokens;
  for (const std::size_t i : sequence_of) {
    tokens.insert(tokens.end(), batch.tokens.begin() + batch.starts[i],
                  batch.tokens.begin() + batch.starts[i + 1]);
  }
  return tokens;
}

train::Masking masking_of(const DataOptions& options, const tokenizer::Tokenizer& tokenizer) {
  if (!tokenizer.special_ids().mask) {
    throw Error(ErrorCode::kInvalidArgument, "the tokenizer has no mask token");
  }
  train::Masking m;
  m.probability = options.mlm_probability;
  m.seed = options.seed;
  m.mask_token = *tokenizer.special_ids().mask;
  const auto V = static_cast<std::size_t>(tokenizer.id_limit());
  m.special.resize(V);
  if (options.whole_words) m.continues.resize(V);
  for (std::size_t i = 0; i < V; ++i) {
    const auto id = static_cast<std::int32_t>(i);
    m.special[i] = tokenizer.is_special(id) ? 1 : 0;
    if (!options.whole_words) continue;
    m.continues[i] = tokenizer.token(id).value_or("").starts_with("##") ? 1 : 0;
  }
  return m;
}

DataSet read(const std::string& file, std::int64_t limit, const DataOptions& options,
             const TextEncoder& encoder) {
  if (options.block_size > encoder.max_length) {
    throw Error(ErrorCode::kInvalidArgument,
                "block-size: found " + std::to_string(options.block_size) + ", the model has " +
                    std::to_string(encoder.max_length) + " positions");
  }
  std::string text = io::read_small_file(file, kMostBytes);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);  // a byte order mark
  const bool masked = options.task == TrainTask::kMaskedLanguageModeling;
  TokenArrays arrays = encoder.cached([&] {
    TokenArrays made;
    made.tokens = masked ? tokens_of_lines(file, text, encoder) : tokens_of_file(text, encoder);
    if (!made.tokens.empty()) made.starts.push_back(static_cast<std::int64_t>(made.tokens.size()));
    return made;
  });
  DataSet data = blocks(file, std::move(arrays.tokens), encoder.max_length, limit, encoder.types);
  train::Examples& e = data.examples;
  if (masked) {
    e.masking = masking_of(options, encoder.tokenizer);
  } else {
    e.token_labels.assign(e.tokens.begin(), e.tokens.end());
  }
  return data;
}

}  // namespace

TaskData read_language_task(const DataOptions& options) {
  TaskData task;
  const bool masked = options.task == TrainTask::kMaskedLanguageModeling;
  task.head = masked ? HeadKind::kMaskedLm : HeadKind::kCausalLm;
  task.train = [options](const TextEncoder& encoder) {
    return read(options.train_file, options.max_train_samples, options, encoder);
  };
  if (!options.validation_file.empty()) {
    task.validation = [options](const TextEncoder& encoder) {
      return read(options.validation_file, options.max_eval_samples, options, encoder);
    };
  }
  return task;
}

}  // namespace linnet::tools
