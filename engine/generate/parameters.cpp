#include "engine/generate/parameters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

// Keys that say nothing about which tokens come.
constexpr auto kWithoutEffect = std::to_array<std::string_view>({"use_cache",
                                                                 "pad_token_id",
                                                                 "bos_token_id",
                                                                 "decoder_start_token_id",
                                                                 "transformers_version",
                                                                 "_from_model_config",
                                                                 "output_attentions",
                                                                 "output_hidden_states",
                                                                 "output_scores",
                                                                 "output_logits",
                                                                 "return_dict_in_generate",
                                                                 "return_legacy_cache",
                                                                 "renormalize_logits",
                                                                 "remove_invalid_values",
                                                                 "cache_implementation",
                                                                 "cache_config",
                                                                 "prefill_chunk_size",
                                                                 "trust_remote_code",
                                                                 "task_specific_params",
                                                                 "disable_compile",
                                                                 "compile_config"});

// Keys that ask for something else, unless they have this value.
struct Refused {
  std::string_view key;
  double otherwise;
};
constexpr auto kRefused = std::to_array<Refused>({{"num_beam_groups", 1},
                                                  {"diversity_penalty", 0},
                                                  {"penalty_alpha", 0},
                                                  {"guidance_scale", 1},
                                                  {"encoder_repetition_penalty", 1},
                                                  {"encoder_no_repeat_ngram_size", 0}});
constexpr auto kRefusedUnlessNull = std::to_array<std::string_view>(
    {"force_words_ids", "constraints", "sequence_bias", "suppress_tokens", "begin_suppress_tokens",
     "forced_bos_token_id", "forced_eos_token_id", "forced_decoder_ids", "dola_layers",
     "exponential_decay_length_penalty", "watermarking_config", "assistant_model"});

[[noreturn]] void unsupported(json::Value value, std::string_view key) {
  try {
    value.fail(std::string(key) + " is not supported");
  } catch (const Error& e) {
    throw Error(ErrorCode::kUnsupported, e.what());
  }
}

std::vector<std::int32_t> tokens(json::Value value) {
  std::vector<std::int32_t> ids;
  for (const json::Value id : value.elements()) {
    ids.push_back(static_cast<std::int32_t>(id.integer(0, kMost)));
  }
  return ids;
}

EarlyStopping early_stopping(json::Value value) {
  if (value.kind() == json::Kind::kBoolean) {
    return value.boolean() ? EarlyStopping::kFull : EarlyStopping::kHeuristic;
  }
  if (value.string() != "never") {
    value.fail("found " + quote(value.string()) + ", expected true, false or \"never\"");
  }
  return EarlyStopping::kNever;
}

ContextOverflow context_overflow(json::Value value) {
  if (value.string() == "slide") return ContextOverflow::kSlide;
  if (value.string() != "error") {
    value.fail("found " + quote(value.string()) + ", expected \"error\" or \"slide\"");
  }
  return ContextOverflow::kError;
}

bool read_number(json::Value v, std::string_view key, GenerationParameters& p) {
  struct Number {
    std::string_view key;
    double GenerationParameters::*field;
  };
  static constexpr auto kNumbers =
      std::to_array<Number>({{"repetition_penalty", &GenerationParameters::repetition_penalty},
                             {"presence_penalty", &GenerationParameters::presence_penalty},
                             {"frequency_penalty", &GenerationParameters::frequency_penalty},
                             {"temperature", &GenerationParameters::temperature},
                             {"top_p", &GenerationParameters::top_p},
                             {"min_p", &GenerationParameters::min_p},
                             {"typical_p", &GenerationParameters::typical_p},
                             {"epsilon_cutoff", &GenerationParameters::epsilon_cutoff},
                             {"eta_cutoff", &GenerationParameters::eta_cutoff},
                             {"length_penalty", &GenerationParameters::length_penalty}});
  for (const Number& number : kNumbers) {
    if (number.key == key) {
      p.*number.field = v.number();
      return true;
    }
  }
  return false;
}

bool read_count(json::Value v, std::string_view key, GenerationParameters& p) {
  struct Count {
    std::string_view key;
    std::int64_t GenerationParameters::*field;
  };
  static constexpr auto kCounts = std::to_array<Count>(
      {{"min_new_tokens", &GenerationParameters::min_new_tokens},
       {"min_length", &GenerationParameters::min_length},
       {"no_repeat_ngram_size", &GenerationParameters::no_repeat_ngram_size},
       {"top_k", &GenerationParameters::top_k},
       {"prompt_lookup_num_tokens", &GenerationParameters::prompt_lookup_num_tokens},
       {"max_matching_ngram_size", &GenerationParameters::max_matching_ngram_size},
       {"min_tokens_to_keep", &GenerationParameters::min_tokens_to_keep},
       {"num_return_sequences", &GenerationParameters::num_return_sequences},
       {"num_beams", &GenerationParameters::num_beams}});
  for (const Count& count : kCounts) {
    if (count.key == key) {
      p.*count.field = v.integer(0, kMost);
      return true;
    }
  }
  return false;
}

bool read_other(json::Value v, std::string_view key, GenerationParameters& p) {
  if (key == "max_new_tokens") {
    p.max_new_tokens = v.integer(0, kMost);
  } else if (key == "max_length") {
    p.max_length = v.integer(0, kMost);
  } else if (key == "logprobs") {
    p.logprobs = v.integer(0, kMost);
  } else if (key == "seed") {
    p.seed = static_cast<std::uint64_t>(v.integer(0, std::numeric_limits<std::int64_t>::max()));
  } else if (key == "do_sample") {
    p.do_sample = v.boolean();
  } else if (key == "early_stopping") {
    p.early_stopping = early_stopping(v);
  } else if (key == "context_overflow") {
    p.context_overflow = context_overflow(v);
  } else if (key == "eos_token_id") {
    p.eos_token_id = v.kind() == json::Kind::kArray
                         ? tokens(v)
                         : std::vector{static_cast<std::int32_t>(v.integer(0, kMost))};
  } else if (key == "bad_words_ids") {
    p.bad_words_ids.clear();
    for (const json::Value word : v.elements()) p.bad_words_ids.push_back(tokens(word));
  } else {
    return false;
  }
  return true;
}

void refuse_another_way(json::Value v, std::string_view key) {
  for (const Refused& refused : kRefused) {
    if (refused.key == key && v.number() != refused.otherwise) unsupported(v, key);
  }
  if (std::find(kRefusedUnlessNull.begin(), kRefusedUnlessNull.end(), key) !=
      kRefusedUnlessNull.end()) {
    unsupported(v, key);
  }
}

bool passed_over(std::string_view key) {
  const auto is_key = [&](const Refused& refused) { return refused.key == key; };
  return std::find(kWithoutEffect.begin(), kWithoutEffect.end(), key) != kWithoutEffect.end() ||
         std::any_of(kRefused.begin(), kRefused.end(), is_key);
}

[[noreturn]] void refuse(const std::string& name, const std::string& found, const char* expected) {
  throw Error(ErrorCode::kInvalidArgument, name + ": found " + found + ", expected " + expected);
}

std::string text(double value) {
  std::string s = std::to_string(value);
  s.erase(std::max(s.find_last_not_of('0') + 1, s.find('.') + 2));
  return s;
}

void check_number(const char* name, double value, bool good, const char* expected) {
  if (!good || !std::isfinite(value)) refuse(name, text(value), expected);
}

void check_count(const char* name, std::int64_t value, bool good, const char* expected) {
  if (!good) refuse(name, std::to_string(value), expected);
}

}  // namespace

void read_parameters(json::Value object, GenerationParameters& parameters, UnknownKeys unknown,
                     std::span<const std::string_view> others) {
  for (const json::Member m : object.members()) {
    if (std::find(others.begin(), others.end(), m.key) != others.end()) continue;
    const bool null = m.value.is_null();
    if (!null) {
      refuse_another_way(m.value, m.key);
      if (read_number(m.value, m.key, parameters) || read_count(m.value, m.key, parameters) ||
          read_other(m.value, m.key, parameters)) {
        continue;
      }
    }
    if (null && m.key == "eos_token_id") parameters.eos_token_id.clear();
    if (!null && !passed_over(m.key) && unknown == UnknownKeys::kRefuse) {
      m.value.fail("no parameter of generation is called " + quote(m.key));
    }
  }
}

void check(const GenerationParameters& p) {
  // Scores that are divided by less leave FP32.
  check_number("temperature", p.temperature, p.temperature >= 1e-30, "a number of 1e-30 or more");
  check_number("top_p", p.top_p, p.top_p > 0 && p.top_p <= 1, "a number in (0, 1]");
  check_number("min_p", p.min_p, p.min_p >= 0 && p.min_p <= 1, "a number in [0, 1]");
  check_number("typical_p", p.typical_p, p.typical_p > 0 && p.typical_p <= 1, "a number in (0, 1]");
  check_number("epsilon_cutoff", p.epsilon_cutoff, p.epsilon_cutoff >= 0 && p.epsilon_cutoff < 1,
               "a number in [0, 1)");
  check_number("eta_cutoff", p.eta_cutoff, p.eta_cutoff >= 0 && p.eta_cutoff < 1,
               "a number in [0, 1)");
  check_number("repetition_penalty", p.repetition_penalty, p.repetition_penalty > 0,
               "a number above 0");
  check_number("presence_penalty", p.presence_penalty, true, "a finite number");
  check_number("frequency_penalty", p.frequency_penalty, true, "a finite number");
  check_number("length_penalty", p.length_penalty, true, "a finite number");
  if (p.max_new_tokens) {
    check_count("max_new_tokens", *p.max_new_tokens, *p.max_new_tokens >= 1, "at least 1");
  }
  check_count("top_k", p.top_k, p.top_k >= 0, "0 or more");
  check_count("min_tokens_to_keep", p.min_tokens_to_keep, p.min_tokens_to_keep >= 1, "at least 1");
  check_count("num_beams", p.num_beams, p.num_beams >= 1 && p.num_beams <= 1024, "1 to 1024");
  check_count("num_return_sequences", p.num_return_sequences,
              p.num_return_sequences >= 1 && p.num_return_sequences <= 65536, "1 to 65536");
  check_count("prompt_lookup_num_tokens", p.prompt_lookup_num_tokens,
              p.prompt_lookup_num_tokens <= 1024, "0 to 1024");
  check_count("max_matching_ngram_size", p.max_matching_ngram_size, p.max_matching_ngram_size >= 1,
              "at least 1");
  for (const std::vector<std::int32_t>& word : p.bad_words_ids) {
    if (word.empty()) refuse("bad_words_ids", "an empty list", "ids");
  }
  if (p.num_beams > 1) {
    if (p.do_sample) refuse("num_beams", std::to_string(p.num_beams), "1 with do_sample");
    if (p.logprobs) refuse("num_beams", std::to_string(p.num_beams), "1 with logprobs");
    if (p.context_overflow == ContextOverflow::kSlide) {
      refuse("num_beams", std::to_string(p.num_beams), "1 where the context slides");
    }
    if (p.prompt_lookup_num_tokens > 0) {
      refuse("num_beams", std::to_string(p.num_beams), "1 with prompt_lookup_num_tokens");
    }
    check_count("num_return_sequences", p.num_return_sequences,
                p.num_return_sequences <= p.num_beams, "at most num_beams");
  } else if (!p.do_sample) {
    check_count("num_return_sequences", p.num_return_sequences, p.num_return_sequences == 1,
                "1 without beams and sampling, which would all be the same");
  }
}

}  // namespace linnet
