// Dimension key: V vocabulary.
#include "engine/generate/generator.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "engine/core/float_environment.h"
#include "engine/generate/beam_search.h"
#include "engine/generate/prompt_lookup.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

// As many places as are wanted and fit into the budget.
KvCacheShape cache_shape(const Gpt2Model& model, const GeneratorOptions& options) {
  const Gpt2Config& c = model.config;
  if (model.head_kind != HeadKind::kCausalLm) {
    throw Error(ErrorCode::kInvalidArgument, std::string("generate: the model has the head ") +
                                                 name(model.head_kind) +
                                                 ", expected a language-model head");
  }
  KvCacheShape shape{1, c.n_positions, c.n_layer, c.n_embd, c.n_head, options.cache_type};
  shape.sequences =
      std::max<std::int64_t>(1, std::min(options.sequences, options.cache_budget / shape.bytes()));
  return shape;
}

bool contains(const std::vector<std::int32_t>& ids, std::int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

void check_ids(std::span<const std::int32_t> ids, std::int64_t V, const std::string& what) {
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= V) {
      throw Error(ErrorCode::kInvalidArgument, what + ": token id " + std::to_string(id) +
                                                   ", expected 0 to " + std::to_string(V - 1));
    }
  }
}

// How many tokens the prompt may be followed by.
std::int64_t room_after(std::span<const std::int32_t> prompt, std::size_t index,
                        const GenerationParameters& p, const Gpt2Config& c) {
  const auto length = static_cast<std::int64_t>(prompt.size());
  const std::string what = "prompt " + std::to_string(index);
  if (length == 0) throw Error(ErrorCode::kInvalidArgument, what + " has no token");
  check_ids(prompt, c.vocab_size, what);
  const bool slides = p.context_overflow == ContextOverflow::kSlide;
  std::int64_t wanted =
      slides ? kDefaultNewTokens : std::min(kDefaultNewTokens, c.n_positions - length);
  if (p.max_new_tokens) {
    wanted = *p.max_new_tokens;
  } else if (p.max_length) {
    wanted = *p.max_length - length;
  }
  if (wanted < 1 || (!slides && length + wanted > c.n_positions)) {
    throw Error(ErrorCode::kInvalidArgument,
                what + " has " + std::to_string(length) + " tokens, with " +
                    std::to_string(std::max<std::int64_t>(wanted, 1)) + " new ones more than the " +
                    std::to_string(p.max_new_tokens || !p.max_length
                                       ? c.n_positions
                                       : std::min(*p.max_length, c.n_positions)) +
                    " that fit");
  }
  return wanted;
}

// Memory for new tokens that is taken at once; sequences that go on without end take it by and by.
std::size_t reserved(std::int64_t most) {
  return static_cast<std::size_t>(std::min<std::int64_t>(most, 4096));
}

}  // namespace

const char* name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos:
      return "eos";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kStopped:
      return "stop";
  }
  return "";
}

std::int64_t window_begin(std::int64_t n, std::int64_t positions) {
  if (n <= positions) return 0;
  const std::int64_t slide = std::max<std::int64_t>(1, positions / 2);
  return (n - positions + slide - 1) / slide * slide;
}

void NextLogits::add(std::int64_t place, std::span<const std::int32_t> tokens, std::int64_t rows) {
  auto position = static_cast<std::int32_t>(cache_.length(place));
  for (const std::int32_t token : tokens) {
    tokens_.push_back(token);
    positions_.push_back(position++);
  }
  const auto end = static_cast<std::int64_t>(tokens_.size());
  for (std::int64_t row = end - rows; row < end; ++row) rows_.push_back(row);
  starts_.push_back(end);
  places_.push_back(place);
}

void NextLogits::run(Mat<float> logits) {
  session_.run({tokens_, positions_, {}, starts_}, {&cache_, places_},
               {.last_hidden_state = {},
                .sequence_logits = {},
                .token_logits = {},
                .vocabulary_logits = logits,
                .vocabulary_rows = rows_});
  clear();
}

void NextLogits::clear() {
  tokens_.clear();
  positions_.clear();
  rows_.clear();
  places_.clear();
  starts_.resize(1);
}

// A sequence that is being generated.
struct Generator::Sequence {
  std::int64_t index = 0;
  std::vector<std::int32_t> tokens;  // prompt and new ones; in step() also the guess
  std::vector<std::int32_t> guess;   // of the next ones
  std::int64_t prompt = 0, most = 0;
  std::int64_t begin = 0;   // of the window that the model reads
  std::int64_t place = -1;  // in the cache
  bool done = false;
  GeneratedSequence result;
};

Generator::Generator(Gpt2Session& session, const GeneratorOptions& options)
    : session_(session),
      cache_(cache_shape(session.model(), options), options.cache_budget),
      next_(session, cache_),
      held_(static_cast<std::size_t>(places())) {}

// Gives a sequence its place, where what its window begins with may be in the cache.
void Generator::join(Sequence& s, std::int64_t place, const GenerationParameters& p) {
  s.place = place;
  if (p.context_overflow == ContextOverflow::kSlide) {
    s.begin = window_begin(static_cast<std::int64_t>(s.tokens.size()),
                           session_.model().config.n_positions);
  }
  std::vector<std::int32_t>& held = held_[static_cast<std::size_t>(place)];
  // The last token is read in any case: its logits are the next ones.
  const auto first = s.tokens.begin() + s.begin, last = s.tokens.end() - 1;
  cache_.truncate(place, std::mismatch(first, last, held.begin(), held.end()).first - first);
  held.clear();  // what a pass that fails leaves is unknown
}

void Generator::leave(const Sequence& s) {
  const auto first = s.tokens.begin() + s.begin;
  held_[static_cast<std::size_t>(s.place)].assign(first, first + cache_.length(s.place));
}

std::int32_t Generator::choose(const Sequence& s, std::span<float> scores,
                               const GenerationParameters& p) {
  process_scores(scores, p, {s.tokens, s.prompt});
  if (!p.do_sample) return greatest(scores);
  const auto step = static_cast<std::int64_t>(s.tokens.size()) - s.prompt;
  return sampler_.choose(sampler_.candidates(scores, p), sampling_uniform(p.seed, s.index, step));
}

void Generator::note_logprobs(Sequence& s, std::span<const float> logits, std::int64_t likeliest) {
  logprobs_.resize(logits.size());
  log_softmax(logprobs_, logits);
  order_.resize(logits.size());
  std::iota(order_.begin(), order_.end(), 0);
  const auto n = std::min(likeliest, static_cast<std::int64_t>(order_.size()));
  const auto at = [&](std::int32_t id) { return logprobs_[static_cast<std::size_t>(id)]; };
  std::partial_sort(
      order_.begin(), order_.begin() + n, order_.end(),
      [&](std::int32_t a, std::int32_t b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  std::vector<TokenLogprob>& noted = s.result.logprobs.emplace_back(1);  // the token comes later
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t id = order_[static_cast<std::size_t>(i)];
    noted.push_back({id, at(id)});
  }
}

// Moves the window of a sequence to where it has to be for the next token; the cache then forgets
// the positions of the old one. How many more tokens the window can take.
std::int64_t Generator::room_in_window(Sequence& s, const GenerationParameters& p) {
  const std::int64_t positions = cache_.shape().positions;
  const auto n = static_cast<std::int64_t>(s.tokens.size());
  if (p.context_overflow == ContextOverflow::kSlide && s.begin != window_begin(n, positions)) {
    s.begin = window_begin(n, positions);
    cache_.truncate(s.place, 0);
  }
  return positions - (n - s.begin);
}

// Adds what the model has not yet read of a sequence, with a guess at what comes next, to the next
// pass. How many rows of logits it takes.
std::int64_t Generator::feed(Sequence& s, const GenerationParameters& p) {
  const std::int64_t room = room_in_window(s, p);
  const auto known = static_cast<std::size_t>(s.begin + cache_.length(s.place));
  const auto made = static_cast<std::int64_t>(s.result.tokens.size());
  guess_tokens(s.guess, s.tokens, p.max_matching_ngram_size,
               std::min({p.prompt_lookup_num_tokens, s.most - made - 1, room}));
  const std::size_t n = s.tokens.size();
  const auto rows = static_cast<std::int64_t>(s.guess.size()) + 1;
  s.tokens.insert(s.tokens.end(), s.guess.begin(), s.guess.end());
  next_.add(s.place, std::span(s.tokens).subspan(known), rows);
  s.tokens.resize(n);
  return rows;
}

// The token that these scores give: true if another one follows.
bool Generator::take_token(Sequence& s, std::span<float> scores, const GenerationParameters& p,
                           NewToken new_token) {
  if (p.logprobs) note_logprobs(s, scores, *p.logprobs);
  const std::int32_t token = choose(s, scores, p);
  if (p.logprobs) {
    s.result.logprobs.back()[0] = {token, logprobs_[static_cast<std::size_t>(token)]};
  }
  s.tokens.push_back(token);
  s.result.tokens.push_back(token);
  const bool stop = new_token && new_token(s.index, token);
  if (contains(p.eos_token_id, token)) {
    s.result.reason = FinishReason::kEos;
  } else if (stop) {
    s.result.reason = FinishReason::kStopped;
  } else if (static_cast<std::int64_t>(s.result.tokens.size()) < s.most) {
    return true;
  }
  s.done = true;
  return false;
}

// One pass: for every running sequence one token more, and another for each that was guessed.
void Generator::step(std::span<Sequence* const> running, const GenerationParameters& p,
                     NewToken new_token) {
  const std::int64_t V = session_.model().config.vocab_size;
  std::int64_t rows = 0;
  for (Sequence* s : running) rows += feed(*s, p);
  logits_.resize(static_cast<std::size_t>(rows * V));
  next_.run({logits_.data(), rows, V, V});
  float* scores = logits_.data();
  for (Sequence* s : running) {
    s->result.guessed += static_cast<std::int64_t>(s->guess.size());
    // Scores behind a guess count as long as the tokens that come are those of the guess.
    for (std::size_t i = 0;; ++i) {
      const std::span<float> row(scores + static_cast<std::int64_t>(i) * V,
                                 static_cast<std::size_t>(V));
      const bool more = take_token(*s, row, p, new_token);
      const bool guessed = i < s->guess.size() && s->tokens.back() == s->guess[i];
      if (guessed) ++s->result.accepted;
      if (!guessed || !more) break;
    }
    scores += (static_cast<std::int64_t>(s->guess.size()) + 1) * V;
    cache_.truncate(s->place, static_cast<std::int64_t>(s->tokens.size()) - 1 - s->begin);
  }
}

std::vector<GeneratedSequence> Generator::generate(
    std::span<const std::vector<std::int32_t>> prompts, const GenerationParameters& p,
    NewToken new_token) {
  const FloatEnvironment environment;
  const Gpt2Config& c = session_.model().config;
  check(p);
  check_ids(p.eos_token_id, c.vocab_size, "eos_token_id");
  for (const auto& word : p.bad_words_ids) check_ids(word, c.vocab_size, "bad_words_ids");
  std::vector<std::int64_t> most;  // new tokens of each prompt
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    most.push_back(room_after(prompts[i], i, p, c));
  }
  next_.clear();  // of a call that ended with an error
  return p.num_beams > 1 ? run_beams(prompts, most, p)
                         : run_side_by_side(prompts, most, p, new_token);
}

std::vector<GeneratedSequence> Generator::run_beams(
    std::span<const std::vector<std::int32_t>> prompts, std::span<const std::int64_t> most,
    const GenerationParameters& p) {
  if (p.num_beams > places()) {
    throw Error(ErrorCode::kLimit, "num_beams: found " + std::to_string(p.num_beams) +
                                       ", the cache has places for " + std::to_string(places()) +
                                       " sequences");
  }
  for (std::vector<std::int32_t>& held : held_) held.clear();
  std::vector<GeneratedSequence> results;
  const std::int64_t V = session_.model().config.vocab_size;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    for (GeneratedSequence& s : search_beams(next_, cache_, V, prompts[i], most[i], p)) {
      results.push_back(std::move(s));
    }
  }
  return results;
}

std::vector<GeneratedSequence> Generator::run_side_by_side(
    std::span<const std::vector<std::int32_t>> prompts, std::span<const std::int64_t> most,
    const GenerationParameters& p, NewToken new_token) {
  std::vector<Sequence> all;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    for (std::int64_t r = 0; r < p.num_return_sequences; ++r) {
      Sequence& s = all.emplace_back();
      s.index = static_cast<std::int64_t>(all.size()) - 1;
      s.tokens.reserve(prompts[i].size() + reserved(most[i]));
      s.tokens = prompts[i];
      s.guess.reserve(static_cast<std::size_t>(p.prompt_lookup_num_tokens));
      s.result.tokens.reserve(reserved(most[i]));
      s.prompt = static_cast<std::int64_t>(prompts[i].size());
      s.most = most[i];
    }
  }
  std::vector<std::int64_t> free_places(static_cast<std::size_t>(places()));
  std::iota(free_places.rbegin(), free_places.rend(), 0);
  std::vector<Sequence*> running;
  for (auto waiting = all.begin(); waiting != all.end() || !running.empty();) {
    for (; waiting != all.end() && !free_places.empty(); ++waiting) {
      join(*waiting, free_places.back(), p);
      free_places.pop_back();
      running.push_back(&*waiting);
    }
    step(running, p, new_token);
    std::erase_if(running, [&](const Sequence* s) {
      if (!s->done) return false;
      free_places.push_back(s->place);
      leave(*s);
      return true;
    });
  }
  std::vector<GeneratedSequence> results;
  for (Sequence& s : all) results.push_back(std::move(s.result));
  return results;
}

}  // namespace linnet
