#include "tools/convert/calibration.h"

#include <algorithm>
#include <filesystem>

#include "engine/compress/quantize_encoder.h"
#include "engine/tasks/embedder.h"
#include "engine/tasks/text_batch.h"
#include "tools/io/text_source.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

// Texts are taken a few at a time until there are enough.
constexpr std::size_t kLinesAtOnce = 64;
constexpr std::int64_t kRandomSequences = 128;
// Sentences, not documents: what is typical of a token shows in any of them.
constexpr std::int64_t kLongest = 128;

void append(compress::Sequences& to, const Batch& batch) {
  const std::int64_t before = to.starts.back();
  to.tokens.insert(to.tokens.end(), batch.tokens.begin(), batch.tokens.end());
  to.positions.insert(to.positions.end(), batch.positions.begin(), batch.positions.end());
  for (std::size_t b = 1; b < batch.starts.size(); ++b) {
    to.starts.push_back(before + batch.starts[b]);
  }
}

std::vector<std::string> next_lines(io::TextSource& source) {
  std::vector<std::string> lines;
  for (Record record; lines.size() < kLinesAtOnce && source.next(record);) {
    if (!record.error.empty()) {
      throw Error(ErrorCode::kInvalidArgument, source.place(record) + ": " + record.error);
    }
    const std::string& line = record.fields.at(0).value();
    if (line.find_first_not_of(" \t\r") != line.npos) lines.push_back(line);
  }
  return lines;
}

compress::Sequences sequences_of(const std::string& file, const tokenizer::Tokenizer& tokenizer,
                                 const EncoderModel& model, Threads& threads) {
  io::TextSource source(file, RecordOptions{});
  TextBatchOptions options;
  options.max_length = std::min(kLongest, model.config.positions);
  compress::Sequences sequences;
  while (sequences.starts.back() < compress::kEnoughCalibrationTokens) {
    const std::vector<std::string> lines = next_lines(source);
    if (lines.empty()) break;
    std::vector<TextInput> inputs;
    for (const std::string& line : lines) inputs.push_back({line, {}});
    const TextBatch batch = make_text_batch(tokenizer, threads, inputs, options);
    if (!batch.errors.empty()) {
      throw Error(batch.errors[0].code, printable(file) + ": " + batch.errors[0].message);
    }
    append(sequences, batch.batch());
  }
  if (sequences.starts.back() < compress::kLeastCalibrationTokens) {
    throw Error(ErrorCode::kInvalidArgument, printable(file) + ": has " +
                                                 std::to_string(sequences.starts.back()) +
                                                 " tokens, a calibration takes at least " +
                                                 std::to_string(compress::kLeastCalibrationTokens));
  }
  return sequences;
}

// Ids that text may become: neither special nor a place that is kept free.
compress::Sequences random_of(const tokenizer::Tokenizer& tokenizer, std::int64_t positions,
                              std::uint64_t seed) {
  std::vector<std::int32_t> ordinary;
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const auto token = tokenizer.token(id);
    if (token && !tokenizer.is_special(id) && !token->starts_with("[unused")) {
      ordinary.push_back(id);
    }
  }
  const tokenizer::SpecialIds& special = tokenizer.special_ids();
  return compress::random_sequences(
      {special.cls.value_or(0), special.sep.value_or(0), ordinary, positions}, kRandomSequences,
      seed);
}

}  // namespace

Calibration calibration_of(const std::optional<std::string>& file,
                           const weights::Directory& directory, const EncoderModel& model,
                           Threads& threads) {
  if (!file) return random_ids(directory, model.config.positions, 0);
  const tokenizer::Tokenizer tokenizer = load_tokenizer(directory);
  return {std::filesystem::path(*file).filename().string(),
          sequences_of(*file, tokenizer, model, threads)};
}

Calibration random_ids(const weights::Directory& directory, std::int64_t positions,
                       std::uint64_t seed) {
  return {"random ids", random_of(load_tokenizer(directory), positions, seed)};
}

}  // namespace linnet::tools
