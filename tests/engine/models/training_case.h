#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/models/encoder_session.h"
#include "engine/models/load_trainable.h"
#include "tests/support/golden.h"

// The training goldens (train_*): a model, examples, the order of batches, gradients and runs.
namespace linnet::test {

/// Rows of a case's examples, packed, with their labels.
struct TrainingBatch {
  std::vector<std::int32_t> tokens, positions, types;
  std::vector<std::int64_t> starts{0}, labels, span_starts, span_ends;
  std::vector<float> values;
  std::vector<float> teacher_logits, teacher_hidden;

  Batch packed() const { return {tokens, positions, types, starts}; }
  TrainingTargets targets() const {
    TrainingTargets t;
    t.labels = labels;
    t.values = values;
    t.spans = {span_starts, span_ends};
    return t;
  }
};

class TrainingCase {
 public:
  static std::filesystem::path folder(const std::string& name) {
    return data_dir() / "goldens" / name;
  }

  explicit TrainingCase(const std::string& name)
      : model(load_trainable(weights::Checkpoint(folder(name)), {})),
        folder_(folder(name)),
        data_(folder_ / "data.safetensors") {
    std::ifstream file(folder_ / "case.json");
    json = nlohmann::json::parse(file);
    order_ = data_.values<std::int64_t>("batch_order");
    ids_ = data_.values<std::int64_t>("data.input_ids");
    mask_ = data_.values<std::int64_t>("data.attention_mask");
    if (data_.has("data.token_type_ids"))
      types_ = data_.values<std::int64_t>("data.token_type_ids");
    length_ = data_.shape("data.input_ids")[1];
    if (std::filesystem::exists(folder_ / "teacher")) {
      teacher_.emplace(load_encoder(weights::Checkpoint(folder_ / "teacher"), {}));
    }
  }

  std::unique_ptr<TrainableModel> model;
  nlohmann::json json;

  const std::filesystem::path& folder() const { return folder_; }
  std::vector<std::int64_t> batch_order(std::size_t step) const {
    const auto width = static_cast<std::size_t>(data_.shape("batch_order")[1]);
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(step * width);
    return {begin, begin + static_cast<std::ptrdiff_t>(width)};
  }
  TrainingSize size(std::size_t sequences) const {
    const auto B = static_cast<std::int64_t>(sequences);
    TrainingSize size{B * length_, B, length_};
    if (teacher_) size.teacher = WithTeacher::kYes;
    return size;
  }

  TrainingBatch batch(const std::vector<std::int64_t>& rows) const {
    TrainingBatch b;
    const bool spans = data_.has("data.start_positions");
    const bool per_token = !spans && data_.shape("data.labels").size() == 2;
    const bool floats = !spans && data_.has("data.labels") && is_float("data.labels");
    for (const std::int64_t row : rows) {
      for (std::int64_t t = 0; t < length_; ++t) {
        const auto i = static_cast<std::size_t>(row * length_ + t);
        if (mask_[i] == 0) continue;
        b.tokens.push_back(static_cast<std::int32_t>(ids_[i]));
        b.positions.push_back(static_cast<std::int32_t>(t));
        if (!types_.empty()) b.types.push_back(static_cast<std::int32_t>(types_[i]));
        if (per_token) b.labels.push_back(data_.values<std::int64_t>("data.labels")[i]);
      }
      b.starts.push_back(static_cast<std::int64_t>(b.tokens.size()));
      const auto r = static_cast<std::size_t>(row);
      if (spans) {
        b.span_starts.push_back(data_.values<std::int64_t>("data.start_positions")[r]);
        b.span_ends.push_back(data_.values<std::int64_t>("data.end_positions")[r]);
      } else if (floats) {
        b.values.push_back(data_.values<float>("data.labels")[r]);
      } else if (!per_token) {
        b.labels.push_back(data_.values<std::int64_t>("data.labels")[r]);
      }
    }
    if (teacher_) ask_teacher(b);
    return b;
  }

  TrainingPass pass(const TrainingBatch& b) const {
    TrainingPass pass;
    pass.targets = b.targets();
    pass.divisors = model->check_targets(b.packed(), pass.targets);
    if (teacher_) {
      // The KL of a classifier is alpha_kd beside alpha_ce; that of a language model is alpha_ce.
      const bool classifier = json.contains("alpha_kd");
      const std::int64_t D = teacher_->config.D, T = b.packed().T();
      const std::int64_t rows = classifier ? b.packed().B() : T;
      const std::int64_t C = static_cast<std::int64_t>(b.teacher_logits.size()) / rows;
      pass.teacher.logits = {b.teacher_logits.data(), rows, C, C};
      pass.teacher.hidden = {b.teacher_hidden.data(), T, D, D};
      pass.teacher.temperature = json["temperature"];
      pass.teacher.kl = json[classifier ? "alpha_kd" : "alpha_ce"];
      pass.teacher.hard = json[classifier ? "alpha_ce" : "alpha_mlm"];
      pass.teacher.cosine = json["alpha_cos"];
    }
    return pass;
  }

  /// Every parameter's floats in the block at `base`, in the order of the names.
  std::vector<float> all(const float* base) const {
    std::vector<float> values;
    for (const NamedParameter& p : model->tensors) {
      values.insert(values.end(), base + p.offset, base + p.offset + p.elements());
    }
    return values;
  }

  /// Calls f(parameter, first element, last) for the slices that are not zero_up_to_rounding.
  template <class F>
  void for_each_compared(const F& f) const {
    for (const NamedParameter& p : model->tensors) {
      bool whole = true;
      for (const auto& zero : json["gradient"]["zero_up_to_rounding"]) {
        if (zero["parameter"] != p.name) continue;
        whole = false;
        if (zero["begin"] > 0) f(p, std::int64_t{0}, zero["begin"].get<std::int64_t>());
        if (zero["end"] < p.elements()) f(p, zero["end"].get<std::int64_t>(), p.elements());
      }
      if (whole) f(p, std::int64_t{0}, p.elements());
    }
  }

  /// 2e-5 · the greatest gradient of the case, and 1e-3 of the tensor's own.
  void expect_gradients(const float* gradients, const GoldenFile& want) const {
    double greatest = 0;
    std::size_t names = 0;
    for (const NamedParameter& p : model->tensors) {
      ASSERT_TRUE(want.has("grad." + p.name)) << p.name;
      for (const float v : want.values<float>("grad." + p.name)) {
        greatest = std::max(greatest, std::abs(static_cast<double>(v)));
      }
      ++names;
    }
    EXPECT_EQ(names, want.count("grad."));
    for_each_compared([&](const NamedParameter& p, std::int64_t begin, std::int64_t end) {
      const auto values = want.values<float>("grad." + p.name);
      double own = 0, worst = 0;
      for (std::int64_t i = begin; i < end; ++i) {
        const double v = values[static_cast<std::size_t>(i)];
        own = std::max(own, std::abs(v));
        const double error = std::abs(static_cast<double>(gradients[p.offset + i]) - v);
        if (!(error <= worst)) worst = error;
      }
      EXPECT_LE(worst, std::min(2e-5 * greatest, 1e-3 * own)) << p.name;
    });
  }

 private:
  void ask_teacher(TrainingBatch& b) const {
    const Batch batch = b.packed();
    const std::int64_t T = batch.T(), D = teacher_->config.D;
    const bool sequences = teacher_->head_kind == HeadKind::kSequenceClassification;
    const std::int64_t rows = sequences ? batch.B() : T,
                       C = sequences ? teacher_->head.sequence_classifier.N
                                     : teacher_->head.decoder.N;
    b.teacher_logits.resize(static_cast<std::size_t>(rows * C));
    b.teacher_hidden.resize(static_cast<std::size_t>(T * D));
    std::vector<std::int64_t> every(static_cast<std::size_t>(T));
    std::iota(every.begin(), every.end(), 0);
    EncoderOutputs out;
    out.last_hidden_state = {b.teacher_hidden.data(), T, D, D};
    const Mat<float> logits{b.teacher_logits.data(), rows, C, C};
    if (sequences) {
      out.sequence_logits = logits;
    } else {
      out.vocabulary_logits = logits;
      out.vocabulary_rows = every;
    }
    EncoderSession(*teacher_).run(batch, out);
  }
  bool is_float(const std::string& name) const { return data_.is_float(name); }

  std::filesystem::path folder_;
  GoldenFile data_;
  std::vector<std::int64_t> order_, ids_, mask_, types_;
  std::int64_t length_ = 0;
  std::optional<EncoderModel> teacher_;
};

}  // namespace linnet::test
