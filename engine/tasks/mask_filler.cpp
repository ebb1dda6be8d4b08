#include "engine/tasks/mask_filler.h"

#include <algorithm>
#include <cmath>

#include "engine/core/math.h"
#include "engine/tasks/window_batch.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

using tokenizer::Encoding;

constexpr std::size_t kMasksTogether = 64;

struct Candidate {
  double score;
  std::int32_t token;
};

bool better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.token < b.token;
}

// The best candidates of softmax(logits); `targets` empty: of all tokens.
std::vector<Candidate> best_candidates(std::span<const float> logits,
                                       std::span<const std::int32_t> targets, std::size_t count) {
  float max = logits[0];
  for (const float x : logits) {
    if (!std::isfinite(x)) {
      throw Error(ErrorCode::kNumeric, "mask filling: a logit is not finite");
    }
    max = std::max(max, x);
  }
  std::vector<Candidate> all(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    sum += all[i].score = math::exp(static_cast<double>(logits[i]) - max);
    all[i].token = static_cast<std::int32_t>(i);
  }
  if (!targets.empty()) {
    std::vector<Candidate> chosen;
    for (const std::int32_t id : targets) chosen.push_back(all[static_cast<std::size_t>(id)]);
    all = std::move(chosen);
  }
  count = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(),
                    better);
  all.resize(count);
  for (Candidate& candidate : all) candidate.score /= sum;
  return all;
}

// Ids of the targets, ascending, each once.
std::vector<std::int32_t> target_ids(const TaskModel& model,
                                     const std::vector<std::string>& targets) {
  std::vector<std::int32_t> ids;
  for (const std::string& word : targets) {
    if (const auto target = find_target(model, word)) ids.push_back(target->id);
  }
  if (ids.empty() && !targets.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "mask filling: no target gives a token");
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// A mask of a group of sequences.
struct Mask {
  std::size_t text;
  std::size_t at;     // token of the text
  std::size_t which;  // of the text's masks
};

// Sequences [first, end) of the batch that run together, and their masks.
struct Group {
  std::int64_t first = 0, end = 0;
  std::vector<std::int64_t> rows;  // of the masks, from the group's first token
  std::vector<Mask> masks;
};

Group group_from(const WindowBatch& batch, std::int64_t first, std::int32_t mask_id) {
  Group group{first, first, {}, {}};
  const std::int64_t origin = batch.starts[static_cast<std::size_t>(first)];
  for (auto s = static_cast<std::size_t>(first); s < batch.sequences.size(); ++s) {
    std::vector<std::int64_t> places;
    for (std::int64_t t = batch.starts[s]; t < batch.starts[s + 1]; ++t) {
      if (batch.tokens[static_cast<std::size_t>(t)] == mask_id) places.push_back(t);
    }
    const bool full = group.rows.size() + places.size() > kMasksTogether ||
                      batch.starts[s + 1] - origin > kTokensBetweenCalls;
    if (full && group.end > group.first) break;
    for (std::size_t i = 0; i < places.size(); ++i) {
      group.rows.push_back(places[i] - origin);
      group.masks.push_back({static_cast<std::size_t>(batch.sequences[s].row),
                             static_cast<std::size_t>(places[i] - batch.starts[s]), i});
    }
    ++group.end;
  }
  return group;
}

// Candidates as text. The decoder tidies up as the model's tokenizer_config.json asks.
class Writer {
 public:
  explicit Writer(const TaskModel& model) : model_(model) {
    decode_.lenient = true;
    if (model.tokenizer.facts().clean_up_tokenization_spaces.value_or(false)) {
      decode_.cleanup = tokenizer::Cleanup::kTransformers;
    }
  }

  std::vector<Fill> fills(const Encoding& text, const Mask& mask, bool single,
                          std::span<const Candidate> candidates) const {
    tokenizer::DecodeOptions whole = decode_;
    whole.skip_special_tokens = single;
    std::vector<std::int32_t> ids = text.ids;
    std::vector<Fill> result;
    for (const Candidate& c : candidates) {
      ids[mask.at] = c.token;
      std::vector<std::int32_t> shown;
      std::copy_if(ids.begin(), ids.end(), std::back_inserter(shown),
                   [&](std::int32_t id) { return id != model_.tokenizer.special_ids().pad; });
      result.push_back({c.score, c.token, model_.tokenizer.decode(std::span(&c.token, 1), decode_),
                        model_.tokenizer.decode(shown, whole)});
    }
    return result;
  }

 private:
  const TaskModel& model_;
  tokenizer::DecodeOptions decode_;
};

tokenizer::EncodeOptions encode_options(const TaskModel& model, const FillOptions& options) {
  if (options.top_k < 1) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "mask filling: top_k is " + std::to_string(options.top_k) + ", expected at least 1");
  }
  tokenizer::EncodeOptions encode = options.encode;
  encode.parse_special = true;
  if (options.too_long == TooLong::kTruncate) {
    encode.truncation = tokenizer::Truncation::kLongestFirst;
    encode.max_length = model.max_length(options.max_length);
  }
  return encode;
}

// Texts that are too long or have no mask fail.
void check_texts(std::vector<WindowedText>& texts, std::int64_t max_length, std::int32_t mask) {
  for (WindowedText& text : texts) {
    if (!text.error.empty()) continue;
    const std::vector<std::int32_t>& ids = text.windows[0].ids;
    const std::int64_t n = text.windows[0].size();
    if (n > max_length) {
      text.error = "the text has " + std::to_string(n) + " tokens, expected at most " +
                   std::to_string(max_length);
    } else if (std::find(ids.begin(), ids.end(), mask) == ids.end()) {
      text.error = "the text has no mask token";
    }
    if (!text.error.empty()) text.windows.clear();
  }
}

}  // namespace

std::optional<FillTarget> find_target(const TaskModel& model, std::string_view word) {
  if (const auto id = model.tokenizer.id(word)) return FillTarget{*id, true};
  tokenizer::EncodeOptions encode;
  encode.add_special_tokens = false;
  const std::vector<std::int32_t> ids = model.tokenizer.encode(word, encode).ids;
  if (ids.empty()) return std::nullopt;
  return FillTarget{ids[0], false};
}

MaskFiller::MaskFiller(const TaskModel& model, const SessionOptions& options)
    : model_(model), mask_(-1), session_(model.encoder, options) {
  expect_head(model, HeadKind::kMaskedLm, "mask filling");
  if (!model.tokenizer.special_ids().mask) {
    throw Error(ErrorCode::kInvalidArgument, "mask filling: the tokenizer has no mask token");
  }
  mask_ = *model.tokenizer.special_ids().mask;
}

std::vector<Fills> MaskFiller::fill(std::span<const std::string_view> texts,
                                    const FillOptions& options, const TaskCalls& calls) {
  const std::vector<std::int32_t> targets = target_ids(model_, options.targets);
  std::vector<TextInput> inputs;
  for (const std::string_view text : texts) inputs.push_back({text, std::nullopt});
  std::vector<WindowedText> encoded =
      make_windows(model_.tokenizer, session_.threads(), inputs, encode_options(model_, options));
  check_texts(encoded, model_.max_length(options.max_length), mask_);
  const WindowBatch batch = pack_windows(encoded);

  std::vector<Fills> results(encoded.size());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    results[i].error = encoded[i].error;
    if (encoded[i].windows.empty()) continue;
    const std::vector<std::int32_t>& ids = encoded[i].windows[0].ids;
    results[i].masks.resize(static_cast<std::size_t>(std::count(ids.begin(), ids.end(), mask_)));
  }
  const Writer writer(model_);
  const auto count = static_cast<std::size_t>(options.top_k);
  const std::int64_t V = model_.encoder.config.vocab_size;
  const CancelScope scope(session_, calls);
  std::vector<std::int64_t> starts;
  for (std::int64_t first = 0; first < batch.batch().B();) {
    const Group group = group_from(batch, first, mask_);
    const auto R = static_cast<std::int64_t>(group.rows.size());
    logits_.resize(static_cast<std::size_t>(R * V));
    EncoderOutputs out;
    out.vocabulary_logits = {logits_.data(), R, V, V};
    out.vocabulary_rows = group.rows;
    session_.run(slice(batch.batch(), group.first, group.end, starts), out);
    for_each_on_all_threads(session_.threads(), R, [&](std::int64_t r) {
      const Mask& mask = group.masks[static_cast<std::size_t>(r)];
      std::vector<std::vector<Fill>>& masks = results[mask.text].masks;
      const float* row = out.vocabulary_logits.row(r);
      masks[mask.which] =
          writer.fills(encoded[mask.text].windows[0], mask, masks.size() == 1,
                       best_candidates({row, static_cast<std::size_t>(V)}, targets, count));
    });
    first = group.end;
    if (calls.progress) {
      calls.progress(batch.starts[static_cast<std::size_t>(first)], batch.starts.back());
    }
  }
  return results;
}

}  // namespace linnet
