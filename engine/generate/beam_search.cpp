// Dimension key: V vocabulary.
#include "engine/generate/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "engine/core/math.h"
#include "weights/base/error.h"

namespace linnet {
namespace {

struct Beam {
  std::vector<std::int32_t> tokens;  // prompt and new ones
  double sum = 0;                    // of the log-probabilities of the new ones
  std::int64_t place = 0;            // in the cache
};

// Beam `parent` with one more token.
struct Extension {
  double sum = 0;
  std::size_t parent = 0;
  std::int32_t token = 0;
};

bool better(const Extension& a, const Extension& b) {
  if (a.sum != b.sum) return a.sum > b.sum;
  return a.parent != b.parent ? a.parent < b.parent : a.token < b.token;
}

double power(double base, double exponent) { return math::exp(exponent * math::log(base)); }

// What stays the same from step to step.
struct Setting {
  NextLogits& next;
  KvCache& cache;
  std::int64_t V;
  std::span<const std::int32_t> prompt;
  std::int64_t new_tokens;
  const GenerationParameters& p;
};

class Search {
 public:
  explicit Search(const Setting& setting) : set_(setting) {}

  std::vector<GeneratedSequence> run() {
    set_.cache.truncate(0, 0);
    running_.push_back({{set_.prompt.begin(), set_.prompt.end()}, 0, 0});
    for (std::int64_t length = 1; length <= set_.new_tokens; ++length) {
      extend();
      const bool more = divide(length);
      if (!more || length == set_.new_tokens) break;
    }
    const auto wanted = static_cast<std::size_t>(set_.p.num_return_sequences);
    if (finished_.size() < wanted) {
      throw Error(ErrorCode::kInvalidArgument, "num_return_sequences: found " +
                                                   std::to_string(wanted) +
                                                   ", the tokens that are not banned make " +
                                                   std::to_string(finished_.size()) + " sequences");
    }
    finished_.resize(wanted);
    return std::move(finished_);
  }

 private:
  // extensions_ gets the best ones of all beams, sorted.
  void extend() {
    const auto beams = static_cast<std::int64_t>(running_.size());
    logits_.resize(static_cast<std::size_t>(beams * set_.V));
    for (const Beam& beam : running_) {
      const auto known = static_cast<std::size_t>(set_.cache.length(beam.place));
      set_.next.add(beam.place, std::span(beam.tokens).subspan(known));
    }
    set_.next.run({logits_.data(), beams, set_.V, set_.V});
    extensions_.clear();
    logprobs_.resize(static_cast<std::size_t>(set_.V));
    scores_.resize(static_cast<std::size_t>(set_.V));
    for (std::size_t b = 0; b < running_.size(); ++b) {
      const std::span<const float> row(logits_.data() + static_cast<std::int64_t>(b) * set_.V,
                                       static_cast<std::size_t>(set_.V));
      log_softmax(logprobs_, row);
      std::transform(logprobs_.begin(), logprobs_.end(), scores_.begin(),
                     [](double l) { return static_cast<float>(l); });
      process_scores(scores_, set_.p,
                     {running_[b].tokens, static_cast<std::int64_t>(set_.prompt.size())});
      for (std::size_t v = 0; v < scores_.size(); ++v) {
        if (scores_[v] == -std::numeric_limits<float>::infinity()) continue;
        extensions_.push_back(
            {running_[b].sum + static_cast<double>(scores_[v]), b, static_cast<std::int32_t>(v)});
      }
    }
    const auto ends = static_cast<std::int64_t>(set_.p.eos_token_id.size());
    const auto kept =
        std::min(extensions_.size(),
                 static_cast<std::size_t>(std::max<std::int64_t>(2, 1 + ends) * set_.p.num_beams));
    std::partial_sort(extensions_.begin(), extensions_.begin() + static_cast<std::ptrdiff_t>(kept),
                      extensions_.end(), better);
    extensions_.resize(kept);
  }

  // Into those that are finished and those that run on; false when nothing better can come.
  bool divide(std::int64_t length) {
    const auto wide = static_cast<std::size_t>(set_.p.num_beams);
    const double by = power(static_cast<double>(length), set_.p.length_penalty);
    std::vector<Extension> go_on;
    for (std::size_t i = 0; i < extensions_.size(); ++i) {
      const Extension& e = extensions_[i];
      const bool eos = std::find(set_.p.eos_token_id.begin(), set_.p.eos_token_id.end(), e.token) !=
                       set_.p.eos_token_id.end();
      if (!eos && length < set_.new_tokens) {
        if (go_on.size() < wide) go_on.push_back(e);
      } else if (i < wide) {
        finish(e, e.sum / by, eos ? FinishReason::kEos : FinishReason::kLength);
      }
    }
    if (go_on.empty()) return false;
    move_on(go_on);
    if (finished_.size() < wide) return true;
    if (set_.p.early_stopping == EarlyStopping::kFull) return false;
    const bool longest =
        set_.p.early_stopping == EarlyStopping::kNever && set_.p.length_penalty > 0;
    const double best =
        running_[0].sum /
        (longest ? power(static_cast<double>(set_.new_tokens), set_.p.length_penalty) : by);
    return best > finished_.back().score;
  }

  // Into the best num_beams, sorted; among equals the earlier one first.
  void finish(const Extension& e, double score, FinishReason reason) {
    GeneratedSequence sequence;
    const std::vector<std::int32_t>& parent = running_[e.parent].tokens;
    sequence.tokens.assign(parent.begin() + static_cast<std::ptrdiff_t>(set_.prompt.size()),
                           parent.end());
    sequence.tokens.push_back(e.token);
    sequence.reason = reason;
    sequence.score = score;
    const auto at = std::find_if(finished_.begin(), finished_.end(),
                                 [&](const GeneratedSequence& f) { return f.score < score; });
    finished_.insert(at, std::move(sequence));
    if (finished_.size() > static_cast<std::size_t>(set_.p.num_beams)) finished_.pop_back();
  }

  // The first extension of a beam stays in its place of the cache, others get copies in places that
  // are free.
  void move_on(const std::vector<Extension>& extensions) {
    std::vector<bool> continued(running_.size()), used(static_cast<std::size_t>(set_.p.num_beams));
    for (const Extension& e : extensions) {
      continued[e.parent] = true;
      used[static_cast<std::size_t>(running_[e.parent].place)] = true;
    }
    std::vector<Beam> next;
    for (const Extension& e : extensions) {
      Beam beam{running_[e.parent].tokens, e.sum, running_[e.parent].place};
      beam.tokens.push_back(e.token);
      if (!continued[e.parent]) {
        const auto free = std::find(used.begin(), used.end(), false);
        *free = true;
        beam.place = free - used.begin();
        set_.cache.copy(beam.place, running_[e.parent].place);
      }
      continued[e.parent] = false;
      next.push_back(std::move(beam));
    }
    running_ = std::move(next);
  }

  const Setting set_;
  std::vector<Beam> running_;
  std::vector<GeneratedSequence> finished_;  // the best one first
  std::vector<Extension> extensions_;
  std::vector<float> logits_, scores_;
  std::vector<double> logprobs_;
};

}  // namespace

std::vector<GeneratedSequence> search_beams(NextLogits& next, KvCache& cache, std::int64_t V,
                                            std::span<const std::int32_t> prompt,
                                            std::int64_t new_tokens,
                                            const GenerationParameters& parameters) {
  return Search({next, cache, V, prompt, new_tokens, parameters}).run();
}

}  // namespace linnet
