#include "engine/tasks/token_tagger.h"

#include <algorithm>
#include <cmath>

#include "engine/core/math.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

using tokenizer::Encoding;

tokenizer::EncodeOptions encode_options(const TaskModel& model, const TagOptions& options) {
  tokenizer::EncodeOptions encode = options.encode;
  encode.truncation = tokenizer::Truncation::kLongestFirst;
  encode.max_length = model.max_length(options.max_length);
  encode.offsets = tokenizer::OffsetUnit::kChars;
  if (!options.stride) return encode;
  if (options.aggregation_strategy == Aggregation::kNone) {
    throw Error(ErrorCode::kInvalidArgument,
                "token tagging: stride is given with the aggregation strategy none, expected "
                "simple, first, average or max");
  }
  const std::int64_t room = *encode.max_length - model.tokenizer.added_specials();
  if (*options.stride < 0 || *options.stride >= room) {
    throw Error(ErrorCode::kInvalidArgument,
                "token tagging: stride is " + std::to_string(*options.stride) +
                    ", expected less than the " + std::to_string(room) +
                    " tokens of text in a window");
  }
  encode.return_overflow = true;
  encode.stride = *options.stride;
  return encode;
}

// probabilities = softmax(logits), both [C].
void softmax(std::span<const float> logits, std::span<double> probabilities) {
  float max = logits[0];
  for (const float x : logits) {
    if (!std::isfinite(x)) {
      throw Error(ErrorCode::kNumeric, "token tagging: a logit is not finite");
    }
    max = std::max(max, x);
  }
  double sum = 0;
  for (std::size_t c = 0; c < logits.size(); ++c) {
    sum += probabilities[c] = math::exp(static_cast<double>(logits[c]) - max);
  }
  for (double& p : probabilities) p /= sum;
}

// Where each code point of a text begins, and the end.
std::vector<std::int32_t> code_point_bytes(std::string_view text) {
  std::vector<std::int32_t> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      bytes.push_back(static_cast<std::int32_t>(i));
    }
  }
  bytes.push_back(static_cast<std::int32_t>(text.size()));
  return bytes;
}

// The entities of one text, window after window.
class Tagger {
 public:
  Tagger(const TaskModel& model, const TagOptions& options, std::string_view text)
      : model_(model), options_(options), text_(text), bytes_(code_point_bytes(text)) {}

  /// logits [L, C] of the window's tokens.
  void add(const Encoding& window, Mat<const float> logits) {
    const auto L = static_cast<std::size_t>(window.size());
    const auto C = static_cast<std::size_t>(logits.cols);
    std::vector<double> scores(L * C);
    std::vector<TaggedToken> tokens;
    for (std::size_t i = 0; i < L; ++i) {
      if (window.special_tokens_mask[i] != 0) continue;
      const std::span<double> row = std::span(scores).subspan(i * C, C);
      softmax({logits.row(static_cast<std::int64_t>(i)), C}, row);
      tokens.push_back(token(window, i, row));
    }
    const auto join = [&](std::span<const std::string> pieces) {
      return model_.tokenizer.join_tokens(pieces);
    };
    std::vector<Entity> found = aggregate(tokens, model_.labels(), options_.aggregation_strategy,
                                          options_.ignore_labels, join);
    std::move(found.begin(), found.end(), std::back_inserter(entities_));
    ++windows_;
  }

  std::vector<TextEntity> finish() {
    if (windows_ > 1) entities_ = merge_windows(std::move(entities_));
    std::vector<TextEntity> result;
    for (Entity& entity : entities_) {
      const std::int64_t start = byte(entity.start), end = byte(entity.end);
      result.push_back({std::move(entity), start, end});
    }
    return result;
  }

 private:
  std::int64_t byte(std::int64_t code_point) const {
    return bytes_[static_cast<std::size_t>(code_point)];
  }

  // A token goes on with a word when it is not as long as the text it stands for: it has the prefix
  // of such tokens. (A word with accents that were taken off in decomposed form looks the same.)
  TaggedToken token(const Encoding& window, std::size_t i, std::span<const double> scores) const {
    TaggedToken result;
    result.scores = scores;
    result.index = static_cast<std::int64_t>(i);
    result.start = window.offsets[i].begin;
    result.end = window.offsets[i].end;
    result.word = model_.tokenizer.token(window.ids[i]).value_or("");
    const auto length = static_cast<std::int64_t>(result.word.size());
    result.continues_word = code_points(result.word, length) != result.end - result.start;
    if (window.ids[i] == model_.tokenizer.special_ids().unk) {
      const auto from = static_cast<std::size_t>(byte(result.start));
      result.word = text_.substr(from, static_cast<std::size_t>(byte(result.end)) - from);
      result.continues_word = false;
    }
    return result;
  }

  const TaskModel& model_;
  const TagOptions& options_;
  std::string_view text_;
  std::vector<std::int32_t> bytes_;
  std::vector<Entity> entities_;
  int windows_ = 0;
};

}  // namespace

TokenTagger::TokenTagger(const TaskModel& model, const SessionOptions& options)
    : model_(model), session_(model.encoder, options) {
  expect_head(model, HeadKind::kTokenClassification, "token tagging");
}

std::vector<Tags> TokenTagger::tag(std::span<const std::string_view> texts,
                                   const TagOptions& options, const TaskCalls& calls) {
  std::vector<TextInput> inputs;
  for (const std::string_view text : texts) inputs.push_back({text, std::nullopt});
  const std::vector<WindowedText> windowed =
      make_windows(model_.tokenizer, session_.threads(), inputs, encode_options(model_, options));
  const WindowBatch batch = pack_windows(windowed);
  const auto T = static_cast<std::int64_t>(batch.tokens.size());
  const auto C = static_cast<std::int64_t>(model_.labels().size());
  std::vector<float> values(static_cast<std::size_t>(T * C));
  const Mat<float> logits{values.data(), T, C, C};
  run_windows(session_, batch.batch(), logits, calls);

  const std::vector<std::vector<std::int64_t>> starts = window_starts(batch, windowed);
  std::vector<Tags> results(windowed.size());
  for_each_on_all_threads(
      session_.threads(), static_cast<std::int64_t>(results.size()), [&](std::int64_t row) {
        const auto i = static_cast<std::size_t>(row);
        results[i].error = windowed[i].error;
        if (!windowed[i].error.empty()) return;
        Tagger tagger(model_, options, windowed[i].text.first);
        for (std::size_t w = 0; w < windowed[i].windows.size(); ++w) {
          const Encoding& window = windowed[i].windows[w];
          tagger.add(window, logits.slice_rows(starts[i][w], starts[i][w] + window.size()));
        }
        results[i].entities = tagger.finish();
      });
  return results;
}

}  // namespace linnet
