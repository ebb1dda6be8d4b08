#include "bench/peers/training_worker.h"

#include <cstdint>
#include <vector>

#include "engine/models/load_trainable.h"
#include "engine/train/trainer.h"
#include "weights/base/error.h"

namespace linnet::bench {
namespace {

LoadOptions load_options(int threads) {
  LoadOptions options;
  options.isa = choose_isa();
  options.threads = threads;
  return options;
}

/// The rows of a request in the order of training: where the shuffle of the first epoch takes row i
/// from, row i is put.
train::Examples examples_of(const TrainableModel& model, json::Value request, std::uint64_t seed) {
  std::vector<std::vector<std::int32_t>> rows;
  std::vector<std::int64_t> labels;
  for (const json::Value row : request.at("ids").elements()) {
    std::vector<std::int32_t>& ids = rows.emplace_back();
    for (const json::Value id : row.elements()) {
      ids.push_back(static_cast<std::int32_t>(id.integer(0, model.limits().vocab_size - 1)));
    }
  }
  for (const json::Value label : request.at("labels").elements()) labels.push_back(label.integer());
  if (rows.empty()) request.fail("there is no row");
  const auto n = static_cast<std::int64_t>(rows.size());
  const std::vector<std::int64_t> order = train::shuffled(n, seed, 0);
  std::vector<std::size_t> row_of(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) row_of[static_cast<std::size_t>(order[i])] = i;
  train::Examples examples;
  for (const std::size_t i : row_of) {
    examples.tokens.insert(examples.tokens.end(), rows[i].begin(), rows[i].end());
    examples.starts.push_back(static_cast<std::int64_t>(examples.tokens.size()));
    if (!labels.empty()) examples.labels.push_back(labels.at(i));
  }
  // A language model predicts the tokens themselves.
  if (labels.empty()) examples.token_labels.assign(examples.tokens.begin(), examples.tokens.end());
  return examples;
}

class TrainingWorker : public Worker {
 public:
  TrainingWorker(const std::string& directory, int threads, Precision precision)
      : precision_(precision),
        checkpoint_(directory),
        isa_(choose_isa()),
        threads_(threads),
        model_(load_trainable(checkpoint_, load_options(threads))) {}

  std::string answer(std::string_view op, json::Value request) override {
    if (op == "train") return begin(request);
    if (op == "steps") return steps(request.at("count").integer(1, 1 << 20));
    if (op == "about") {
      return std::string(R"("versions":{"linnet":")") + kernels::name(isa_) + R"("},"peak_kb":)" +
             std::to_string(peak_kb());
    }
    throw Error(ErrorCode::kInvalidArgument, "a trainer answers train, steps and about");
  }

 private:
  std::string begin(json::Value request) {
    train::TrainerOptions options;
    options.batch_size = request.at("batch").integer(1, 1 << 20);
    options.epochs = 1;
    options.learning_rate = request.at("learning_rate").number();
    options.schedule = train::ScheduleKind::kConstant;
    options.optimizer.weight_decay = 0.01;
    options.optimizer.max_grad_norm = 1;
    if (request.at("dropout").boolean()) {
      options.dropout = model_->dropout(checkpoint_.config());
    }
    options.precision = precision_;
    options.recompute = request.at("recompute").boolean() ? Recompute::kYes : Recompute::kNo;
    train::Examples examples = examples_of(*model_, request, options.data_seed);
    trainer_ = std::make_unique<train::Trainer>(*model_, kernels::make_table(isa_), threads_,
                                                std::move(examples), options);
    return "\"steps\":" + std::to_string(trainer_->total_steps());
  }

  /// What is timed: from ids to changed parameters.
  std::string steps(std::int64_t count) {
    if (trainer_ == nullptr || trainer_->steps() + count > trainer_->total_steps()) {
      throw Error(ErrorCode::kInvalidArgument, "steps: more than there are rows for");
    }
    std::vector<double> ms, losses;
    for (std::int64_t i = 0; i < count; ++i) {
      const double start = seconds();
      losses.push_back(trainer_->step().loss);
      ms.push_back((seconds() - start) * 1e3);
    }
    return "\"ms\":" + json_array(ms) + ",\"losses\":" + json_array(losses);
  }

  Precision precision_;
  weights::Checkpoint checkpoint_;
  kernels::Isa isa_;
  int threads_;
  std::unique_ptr<TrainableModel> model_;
  std::unique_ptr<train::Trainer> trainer_;
};

}  // namespace

std::unique_ptr<Worker> make_training_worker(const std::string& directory, int threads,
                                             Precision precision) {
  return std::make_unique<TrainingWorker>(directory, threads, precision);
}

}  // namespace linnet::bench
