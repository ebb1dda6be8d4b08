#include "tools/train/run.h"

#include <algorithm>
#include <cmath>

#include "tools/cli/signals.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/base/text.h"

namespace linnet::tools {
namespace {

constexpr std::string_view kEval = "eval_";

// The score that is to be best, or null.
const Scores::Entry* find_metric(const Scores& scores, std::string_view name) {
  if (name.starts_with(kEval)) name.remove_prefix(kEval.size());
  if (name == "spearmanr") name = "spearman";  // as the examples of transformers call it
  return scores.find(name);
}

void check_metric(const Scores& scores, const std::string& name) {
  if (find_metric(scores, name) != nullptr) return;
  std::string names;
  for (const Scores::Entry& e : scores.entries()) {
    if (!e.is_count) names += (names.empty() ? "" : ", ") + e.name;
  }
  throw Error(ErrorCode::kInvalidArgument,
              "metric for the best model: found " + quote(name) + ", expected one of " + names);
}

}  // namespace

bool Interval::is_off() const {
  return strategy == Strategy::kNo || (strategy == Strategy::kSteps && steps == 0);
}

bool Interval::is_due(std::int64_t step, std::int64_t steps_per_epoch) const {
  if (is_off()) return false;
  return step % (strategy == Strategy::kSteps ? steps : steps_per_epoch) == 0;
}

TrainRun::TrainRun(const RunOptions& options, train::Trainer& trainer,
                   const CheckpointSource& files, const DataSet* validation)
    : options_(options), trainer_(trainer), files_(files), validation_(validation) {
  state_.options = options.command;
  if (validation == nullptr) return;
  // What an evaluation will give: known before hours of training.
  const train::Examples& examples = validation->examples;
  const bool sequences = trainer.model().head_kind() == HeadKind::kSequenceClassification;
  const std::size_t rows = sequences ? examples.starts.size() - 1 : examples.tokens.size();
  const std::vector<float> zeros(rows * static_cast<std::size_t>(validation->classes));
  Scores scores("");
  scores.add("loss", 0);
  validation->score(scores, zeros);
  check_metric(scores, options.metric);
}

void TrainRun::resume(const std::string& checkpoint) {
  state_ = load_state(checkpoint, trainer_);
  if (state_.options == options_.command) return;
  throw Error(ErrorCode::kInvalidArgument, checkpoint + ": was made with the options\n  " +
                                               state_.options + "\nfound\n  " + options_.command);
}

TrainResult TrainRun::steps(io::ShowProgress show, const cli::Log& log) {
  try {
    return steps_to_end(show, log);
  } catch (const Error& e) {  // the numbers are of no use, or the disk is full
    if (e.code() != ErrorCode::kNumeric && e.code() != ErrorCode::kIo) throw;
    const auto good = newest_step(options_.output_dir);
    throw Error(e.code(), e.what() + (good ? "; " + checkpoint_name(*good) + " is kept"
                                           : std::string("; no checkpoint was made yet")));
  }
}

TrainResult TrainRun::steps_to_end(io::ShowProgress show, const cli::Log& log) {
  io::Progress progress(show, "tokens", log);
  const std::int64_t epoch = trainer_.steps_per_epoch();
  const bool evaluates = validation_ != nullptr && !options_.evaluation.is_off();
  std::int64_t tokens = 0, saved = trainer_.steps();
  while (!is_last() && cli::interrupted() == 0) {
    const train::StepResult result = step();
    tokens += result.tokens;
    const bool last = trainer_.finished();
    const auto is_due = [&](const Interval& interval) {
      return interval.is_due(result.step, epoch);
    };
    if (is_due(options_.logging) || (last && !options_.logging.is_off())) log_step(result, log);
    if (evaluates && (is_due(options_.evaluation) || last)) log_evaluation(log);
    progress.update(tokens,
                    static_cast<double>(result.step) / static_cast<double>(trainer_.total_steps()));
    if (is_due(options_.saving)) saved = save();
  }
  const bool ended = is_last();
  if (saved != trainer_.steps()) {
    if (!ended || options_.saving.strategy != Strategy::kNo) {
      save();
    } else {
      trainer_.check_parameters();
    }
  }
  const auto n = static_cast<double>(std::max<std::int64_t>(trainer_.steps(), 1));
  return {state_.loss_total / n, trainer_.steps(), 0, ended ? 0 : cli::interrupted()};
}

train::StepResult TrainRun::step() {
  const train::StepResult result = trainer_.step();
  state_.loss_sum += result.loss;
  state_.loss_total += result.loss;
  ++state_.loss_steps;
  return result;
}

void TrainRun::log_step(const train::StepResult& result, const cli::Log& log) {
  const double mean = state_.loss_sum / static_cast<double>(state_.loss_steps);
  state_.loss_sum = 0, state_.loss_steps = 0;
  add_entry({result.step,
             trainer_.epoch(),
             {{"grad_norm", result.gradient_norm},
              {"learning_rate", result.learning_rate},
              {"loss", mean}}},
            log);
}

Evaluated TrainRun::evaluate(const DataSet& data) {
  train::Evaluation found = trainer_.evaluate(data.examples);
  Scores scores("");
  if (data.score) {
    scores.add("loss", found.loss);
    data.score(scores, found.logits);
  }
  return {std::move(scores), std::move(found.logits)};
}

void TrainRun::log_evaluation(const cli::Log& log) {
  const Scores scores = evaluate(*validation_).scores;
  LogEntry entry{trainer_.steps(), trainer_.epoch(), {}};
  for (const Scores::Entry& e : scores.entries()) {
    if (!e.is_count) entry.values.emplace_back(std::string(kEval) + e.name, e.value);
  }
  add_entry(std::move(entry), log);
  judge(find_metric(scores, options_.metric)->value);
}

// As the Trainer of transformers and its early stopping do.
void TrainRun::judge(double metric) {
  const bool first = !state_.best_metric;
  const double gain = first                        ? 0
                      : options_.greater_is_better ? metric - *state_.best_metric
                                                   : *state_.best_metric - metric;
  const bool enough = first || (gain > 0 && gain > options_.patience_threshold);
  state_.worse = enough ? 0 : state_.worse + 1;
  if (options_.patience > 0 && state_.worse >= options_.patience) state_.stopped = true;
  if (std::isnan(metric) || !(first || gain > 0)) return;
  state_.best_metric = metric;
  state_.best_step = trainer_.steps();
}

void TrainRun::add_entry(LogEntry entry, const cli::Log& log) {
  json::Writer out;
  out.begin_object().key("step").integer(entry.step).key("epoch").float64(entry.epoch);
  for (const auto& [name, value] : entry.values) out.key(name).float64(value);
  log.note(std::move(out.end_object()).text());
  state_.log.push_back(std::move(entry));
}

std::int64_t TrainRun::save() {
  save_checkpoint(options_.output_dir, trainer_, state_, files_, options_.save_total_limit);
  return trainer_.steps();
}

void TrainRun::take_best(const cli::Log& log) {
  if (!options_.load_best || state_.best_step == 0) return;
  if (state_.best_step == trainer_.steps()) return;
  load_parameters(options_.output_dir, state_.best_step, trainer_.model());
  log.note("the best model is that of " + checkpoint_name(state_.best_step));
}

}  // namespace linnet::tools
