// Token classification.
#include "tools/train/tagged_data.h"

#include <algorithm>
#include <limits>

#include "engine/ops/losses.h"
#include "engine/tasks/window_batch.h"
#include "tools/evaluate/task_scores.h"
#include "weights/base/error.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

// The words of a sentence with a space between each two, and where each begins.
struct JoinedWords {
  std::string text;
  std::vector<std::int32_t> begins;

  explicit JoinedWords(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      if (!text.empty()) text += ' ';
      begins.push_back(static_cast<std::int32_t>(text.size()));
      text += word;
    }
  }
  // The word at a byte.
  std::size_t word_at(std::int32_t byte) const {
    const auto after = std::upper_bound(begins.begin(), begins.end(), byte);
    return static_cast<std::size_t>(after - begins.begin()) - 1;
  }
};

std::string place(const TaggedWords& words, std::size_t sentence) {
  return words.file + ": line " + std::to_string(words.sentences[sentence].line);
}

// Of each word its class and its first token, -1 where it has none, in the order of the file.
struct WordLabels {
  std::vector<std::int64_t> classes, tokens;
  std::size_t size() const { return classes.size(); }
};

std::int64_t tag_class(const TaggedWords& words, std::size_t sentence, std::size_t word,
                       const std::vector<std::string>& names) {
  const std::string& tag = words.sentences[sentence].tags[word];
  const std::int64_t found = class_of(tag, names);
  if (found >= 0) return found;
  throw Error(ErrorCode::kFormat, place(words, sentence) + ": tag " + quote(tag) +
                                      ", expected one of the model's " +
                                      std::to_string(names.size()));
}

// take(answered, gold) for the words of each sentence. A word without a token is O.
template <class Take>
void for_each_sentence(const TaggedWords& words, const WordLabels& labels,
                       const std::vector<std::string>& names, std::span<const float> logits,
                       Take&& take) {
  const std::size_t C = names.size();
  std::vector<std::string_view> answered, gold;
  std::size_t at = 0;
  for (const TaggedSentence& sentence : words.sentences) {
    answered.clear();
    gold.clear();
    for (std::size_t w = 0; w < sentence.words.size(); ++w, ++at) {
      gold.emplace_back(names[static_cast<std::size_t>(labels.classes[at])]);
      answered.emplace_back("O");
      if (labels.tokens[at] < 0) continue;
      const auto row = logits.subspan(static_cast<std::size_t>(labels.tokens[at]) * C, C);
      answered.back() = names[static_cast<std::size_t>(best_class(row))];
    }
    take(answered, gold);
  }
}

// The sentences; `more` has the first token of each word, -1 where it has none.
TokenArrays tokens_of(const TaggedWords& words, const TextEncoder& encoder) {
  std::vector<JoinedWords> joined;
  std::vector<TextInput> inputs;
  for (const TaggedSentence& sentence : words.sentences) joined.emplace_back(sentence.words);
  for (const JoinedWords& one : joined) inputs.push_back({one.text, std::nullopt});
  tokenizer::EncodeOptions options;
  options.truncation = tokenizer::Truncation::kLongestFirst;
  options.max_length = encoder.max_length;
  const auto texts = make_windows(encoder.tokenizer, encoder.threads, inputs, options);

  TokenArrays arrays;
  for (std::size_t s = 0; s < texts.size(); ++s) {
    if (!texts[s].error.empty())
      throw Error(texts[s].code, place(words, s) + ": " + texts[s].error);
    const tokenizer::Encoding& e = texts[s].windows[0];
    const std::size_t first_token = arrays.tokens.size(), first_word = arrays.more.size();
    arrays.more.resize(first_word + words.sentences[s].words.size(), -1);
    append_sequence(arrays, e.ids, e.type_ids);
    for (std::size_t t = 0; t < e.ids.size(); ++t) {
      if (e.special_tokens_mask[t] != 0) continue;
      std::int32_t& token = arrays.more[first_word + joined[s].word_at(e.offsets[t].begin)];
      if (token < 0) token = static_cast<std::int32_t>(first_token + t);
    }
  }
  if (!encoder.types) arrays.types.clear();
  return arrays;
}

}  // namespace

std::vector<std::string> tag_names(const TaggedWords& words, const CommonConfig& model) {
  std::vector<std::string> tags;
  for (const TaggedSentence& sentence : words.sentences) {
    tags.insert(tags.end(), sentence.tags.begin(), sentence.tags.end());
  }
  const bool tagger = model.head == HeadKind::kTokenClassification;
  std::vector<std::string> names =
      class_names(tags, tagger ? model.labels : std::vector<std::string>());
  if (names.size() > 1) return names;
  throw Error(ErrorCode::kFormat, words.file + ": every tag is " + quote(names[0]));
}

DataSet tagged_data_set(std::shared_ptr<const TaggedWords> words,
                        const std::vector<std::string>& names, const TextEncoder& encoder) {
  TokenArrays arrays = encoder.cached([&] { return tokens_of(*words, encoder); });
  auto labels = std::make_shared<WordLabels>();
  for (std::size_t s = 0; s < words->sentences.size(); ++s) {
    for (std::size_t w = 0; w < words->sentences[s].words.size(); ++w) {
      labels->classes.push_back(tag_class(*words, s, w, names));
    }
  }
  labels->tokens.assign(arrays.more.begin(), arrays.more.end());

  DataSet set;
  move_sequences(set.examples, std::move(arrays));
  const auto T = static_cast<std::int64_t>(set.examples.tokens.size());
  expect_cached(set.examples.size() == static_cast<std::int64_t>(words->sentences.size()) &&
                    labels->tokens.size() == labels->classes.size(),
                words->file);
  set.examples.token_labels.resize(set.examples.tokens.size(), kIgnoreLabel);
  for (std::size_t i = 0; i < labels->size(); ++i) {
    if (labels->tokens[i] < 0) continue;
    expect_cached(labels->tokens[i] < T, words->file);
    set.examples.token_labels[static_cast<std::size_t>(labels->tokens[i])] = labels->classes[i];
  }
  set.records = set.examples.size();
  set.classes = static_cast<std::int64_t>(names.size());
  set.score = [words, labels, names](Scores& scores, std::span<const float> logits) {
    EntityScore score;
    for_each_sentence(*words, *labels, names, logits,
                      [&](const auto& answered, const auto& gold) { score.add(answered, gold); });
    add_entity_scores(scores, score);
  };
  // As run_ner writes what it predicts: a line for each sentence, a tag for each word.
  set.answers = [words, labels, names](std::span<const float> logits) {
    std::string text;
    for_each_sentence(*words, *labels, names, logits, [&](const auto& answered, const auto&) {
      for (const std::string_view tag : answered) (text += tag) += ' ';
      text.back() = '\n';
    });
    return std::vector<AnswerFile>{{"predictions.txt", std::move(text)}};
  };
  return set;
}

TaskData read_tagged_task(const DataOptions& options, const CommonConfig& model) {
  const auto read = [&](const std::string& path, std::int64_t limit) {
    return std::make_shared<const TaggedWords>(read_tagged(
        path, options.columns, limit > 0 ? limit : std::numeric_limits<std::int64_t>::max()));
  };
  TaskData task;
  task.head = HeadKind::kTokenClassification;
  const auto words = read(options.train_file, options.max_train_samples);
  task.labels = tag_names(*words, model);
  const auto data_set = [names = task.labels](const auto& sentences) {
    return [sentences, names](const TextEncoder& encoder) {
      DataSet set = tagged_data_set(sentences, names, encoder);
      set.answers = {};
      return set;
    };
  };
  task.train = data_set(words);
  if (!options.validation_file.empty()) {
    task.validation = data_set(read(options.validation_file, options.max_eval_samples));
  }
  if (options.test_file.empty()) return task;
  task.test = [names = task.labels,
               sentences = read(options.test_file, options.max_predict_samples)](
                  const TextEncoder& encoder) {
    DataSet set = tagged_data_set(sentences, names, encoder);
    set.score_prefix = "predict_";
    return set;
  };
  return task;
}

}  // namespace linnet::tools
