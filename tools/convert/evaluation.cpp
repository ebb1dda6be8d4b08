#include "tools/convert/evaluation.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "engine/tasks/embedder.h"
#include "engine/tasks/embedding_agreement.h"
#include "engine/tasks/text_classifier.h"
#include "engine/tasks/text_generator.h"
#include "tools/generate/perplexity.h"
#include "tools/io/text_source.h"
#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/hash.h"

namespace linnet::tools {
namespace {

// All pairs of embeddings are compared: 400 MB of cosines for each model, and their ranks.
constexpr std::size_t kMostEmbeddings = 10'000;

constexpr char kPerplexity[] = "perplexity";

void append(std::vector<std::string>& to, const std::optional<std::string>& value) {
  if (value) to.push_back(*value);
}

void read_rows(const std::string& file, EvaluationData& rows) {
  RecordOptions options;
  options.format = record_format_of(file);
  options.fields = {text_field()};
  if (options.format != RecordFormat::kText) {
    FieldRequest pair = pair_field();
    pair.required = false;
    options.fields.push_back(std::move(pair));
    options.fields.push_back({"", {"label", "labels", "Quality"}, false});
  }
  io::TextSource source(file, options);
  for (Record record; source.next(record);) {
    if (!record.error.empty()) {
      throw Error(ErrorCode::kInvalidArgument, source.place(record) + ": " + record.error);
    }
    rows.texts.push_back(record.fields.at(0).value_or(""));
    if (record.fields.size() < 3) continue;
    append(rows.pairs, record.fields[1]);
    append(rows.labels, record.fields[2]);
  }
  const auto is_full = [&](const std::vector<std::string>& column) {
    return column.empty() || column.size() == rows.texts.size();
  };
  if (rows.texts.empty()) {
    throw Error(ErrorCode::kInvalidArgument, printable(file) + ": has no records");
  }
  if (!is_full(rows.pairs) || !is_full(rows.labels)) {
    throw Error(ErrorCode::kInvalidArgument,
                printable(file) + ": only some records have a pair or a label");
  }
}

struct Embeddings {
  std::vector<float> values;
  std::int64_t D = 0;
};

Embeddings embed(const std::string& directory, const EvaluatedModels& models,
                 const EvaluationData& rows) {
  const EmbeddingModel model = load_embedding_model(directory, models.load, models.open);
  Embedder embedder(model, {.threads = models.load.threads});
  const std::vector<std::string_view> texts(rows.texts.begin(), rows.texts.end());
  const auto count = static_cast<std::int64_t>(texts.size());
  Embeddings y{{}, model.dimensions()};
  y.values.resize(static_cast<std::size_t>(count * y.D));
  const std::vector<RowError> errors = embedder.embed(texts, {y.values.data(), count, y.D, y.D});
  if (!errors.empty()) throw Error(errors[0].code, errors[0].message);
  return y;
}

std::vector<weights::ManifestQuality> embedding_scores(const EvaluatedModels& models,
                                                       const EvaluationData& rows) {
  const Embeddings a = embed(models.before, models, rows), b = embed(models.after, models, rows);
  const auto count = static_cast<std::int64_t>(rows.texts.size());
  const EmbeddingAgreement near =
      compare_embeddings({a.values.data(), count, a.D, a.D}, {b.values.data(), count, b.D, b.D});
  const auto score = [&](const char* metric, double after) {
    weights::ManifestQuality quality;
    quality.rows = count;
    quality.metric = metric;
    quality.before = 1;
    quality.after = after;
    return quality;
  };
  return {score("cosine", near.mean_cosine), score("least cosine", near.least_cosine),
          score("cosine of 1 %", near.low_cosine), score("neighbours kept", near.neighbours_kept),
          score("spearman", near.spearman)};
}

// The best label of each row.
std::vector<std::size_t> classify(const std::string& directory, const EvaluatedModels& models,
                                  const EvaluationData& rows, std::vector<std::string>& names) {
  LoadOptions load = models.load;
  load.head = HeadKind::kSequenceClassification;
  const TaskModel model = load_task_model(directory, load, models.open);
  TextClassifier classifier(model, {.threads = models.load.threads});
  std::vector<TextInput> inputs;
  for (std::size_t i = 0; i < rows.texts.size(); ++i) {
    inputs.push_back({rows.texts[i], std::nullopt});
    if (!rows.pairs.empty()) inputs.back().second = rows.pairs[i];
  }
  std::vector<std::size_t> best;
  for (const Classification& one : classifier.classify(inputs)) {
    if (!one.error.empty()) throw Error(ErrorCode::kInvalidArgument, one.error);
    best.push_back(static_cast<std::size_t>(one.labels.at(0).label));
  }
  names = classifier.labels();
  return best;
}

std::vector<weights::ManifestQuality> label_scores(const EvaluatedModels& models,
                                                   const EvaluationData& rows) {
  std::vector<std::string> names;
  const std::vector<std::size_t> a = classify(models.before, models, rows, names),
                                 b = classify(models.after, models, rows, names);
  const auto is_right = [&](std::size_t row, std::size_t label) {
    if (rows.labels.empty()) return label == a[row];
    return rows.labels[row] == names[label] || rows.labels[row] == std::to_string(label);
  };
  weights::ManifestQuality quality;
  quality.metric = rows.labels.empty() ? "same label" : "accuracy";
  quality.rows = static_cast<std::int64_t>(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    quality.before += is_right(i, a[i]);
    quality.after += is_right(i, b[i]);
  }
  quality.before /= static_cast<double>(a.size());
  quality.after /= static_cast<double>(a.size());
  return {quality};
}

// Of one text, as linnet perplexity counts it.
weights::ManifestQuality perplexity(const EvaluatedModels& models, const std::string& text) {
  const auto measured = [&](const std::string& directory) {
    const LanguageModel model = load_language_model(directory, models.load, models.open);
    Gpt2Session session(model.gpt2, {.threads = models.load.threads});
    tokenizer::EncodeOptions encode;
    encode.add_special_tokens = false;
    const std::vector<std::int32_t> ids = model.text().encode(text, encode).ids;
    return measure_perplexity(session, ids, {});
  };
  const Perplexity before = measured(models.before), after = measured(models.after);
  weights::ManifestQuality quality;
  quality.metric = kPerplexity;
  quality.before = before.value();
  quality.after = after.value();
  quality.rows = after.scored;
  return quality;
}

}  // namespace

EvaluationData read_evaluation(const weights::Checkpoint& checkpoint, const std::string& file) {
  const bool gpt2 = is_gpt2(checkpoint.config());
  EvaluationData data;
  data.head = read_common_config(checkpoint.config()).head;
  if (data.head == HeadKind::kCausalLm) {
    data.texts = {read_text(file)};
  } else if (!gpt2 &&
             (data.head == HeadKind::kBase || data.head == HeadKind::kSequenceClassification)) {
    read_rows(file, data);
  } else {
    throw Error(ErrorCode::kUnsupported,
                "an evaluation file is for embeddings, sequence classification of encoders and "
                "language models, not for " +
                    std::string(linnet::name(data.head)));
  }
  if (data.head == HeadKind::kBase && data.texts.size() > kMostEmbeddings) {
    throw Error(ErrorCode::kLimit, "an evaluation of embeddings takes at most " +
                                       std::to_string(kMostEmbeddings) + " records, found " +
                                       std::to_string(data.texts.size()));
  }
  data.name = std::filesystem::path(file).filename().string();
  data.hash = weights::hash_file(file);
  return data;
}

std::vector<weights::ManifestQuality> evaluate(const EvaluatedModels& models,
                                               const EvaluationData& data) {
  std::vector<weights::ManifestQuality> quality;
  if (data.head == HeadKind::kCausalLm) {
    quality = {perplexity(models, data.texts.at(0))};
  } else if (data.head == HeadKind::kBase) {
    quality = embedding_scores(models, data);
  } else {
    quality = label_scores(models, data);
  }
  for (weights::ManifestQuality& score : quality) {
    score.data = data.name;
    score.data_hash = data.hash;
  }
  return quality;
}

void check_drop(const std::vector<weights::ManifestQuality>& quality, double most) {
  const weights::ManifestQuality& score = quality.at(0);
  // A perplexity is the better the lower it is, and has no unit: its growth is what is lost.
  const bool grows = score.metric == kPerplexity;
  const double lost = grows ? score.after / score.before - 1 : score.before - score.after;
  if (lost <= most) return;
  std::ostringstream text;
  text << score.metric << " on " << score.data << (grows ? " grew from " : " fell from ")
       << score.before << " to " << score.after << ", more than the " << most
       << " that may be lost: nothing was written";
  throw Error(ErrorCode::kInvalidArgument, text.str());
}

}  // namespace linnet::tools
