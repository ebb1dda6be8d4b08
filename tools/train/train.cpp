#include "tools/train/train.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "engine/tasks/embedder.h"
#include "tools/cli/signals.h"
#include "tools/train/checkpoints.h"
#include "tools/train/model_files.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/output.h"

namespace linnet::tools {
namespace {

namespace fs = std::filesystem;

/// One trainer a directory, for as long as this lives. The lock ends with the process.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& directory)
      : fd_(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (fd_ < 0) throw Error(ErrorCode::kIo, directory + ": cannot be opened");
    if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
    close(fd_);
    throw Error(ErrorCode::kInvalidArgument, directory + ": another process trains into it");
  }
  ~DirectoryLock() { close(fd_); }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int fd_;
};

/// Sequence i of the examples is record i of the file.
train::Examples examples_of(const TextBatch& batch, const LabelledTexts& texts, bool with_types) {
  train::Examples examples;
  if (!batch.errors.empty()) {
    const RowError& first = batch.errors.front();
    throw Error(first.code,
                texts.file + ": record " + std::to_string(first.row + 1) + ": " + first.message);
  }
  std::vector<std::size_t> sequence_of(batch.rows.size());
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    sequence_of[static_cast<std::size_t>(batch.rows[i])] = i;
  }
  for (const std::size_t i : sequence_of) {
    const auto begin = batch.starts[i], end = batch.starts[i + 1];
    examples.tokens.insert(examples.tokens.end(), batch.tokens.begin() + begin,
                           batch.tokens.begin() + end);
    if (with_types) {
      if (batch.types.empty()) {
        examples.types.resize(examples.tokens.size());
      } else {
        examples.types.insert(examples.types.end(), batch.types.begin() + begin,
                              batch.types.begin() + end);
      }
    }
    examples.starts.push_back(static_cast<std::int64_t>(examples.tokens.size()));
  }
  return examples;
}

void write_text(const std::string& path, const std::string& text) {
  weights::write_file(path, [&](weights::OutputFile& file) { file.write(text); });
}

json::Document parse_config(const std::string& text) {
  return json::parse(text, "config.json", json::kConfigBytes);
}

// The run from its first step, or its next, to its last.
class Run {
 public:
  Run(const TrainOptions& options, train::Trainer& trainer, const CheckpointSource& files)
      : options_(options), trainer_(trainer), files_(files) {
    state_.options = options.command;
  }

  void resume(const std::string& checkpoint) {
    state_ = load_state(checkpoint, trainer_);
    if (state_.options == options_.command) return;
    throw Error(ErrorCode::kInvalidArgument, checkpoint + ": was made with the options\n  " +
                                                 state_.options + "\nfound\n  " + options_.command);
  }

  TrainResult steps(io::ShowProgress show, const cli::Log& log) {
    io::Progress progress(show, "tokens", log);
    std::int64_t tokens = 0, saved = trainer_.steps();
    while (!trainer_.finished() && cli::interrupted() == 0) {
      const train::StepResult result = trainer_.step();
      tokens += result.tokens;
      state_.loss_sum += result.loss;
      ++state_.loss_steps;
      const bool last = trainer_.finished();
      if (options_.logging_steps > 0 && (result.step % options_.logging_steps == 0 || last)) {
        add_entry(result, log);
      }
      progress.update(
          tokens, static_cast<double>(result.step) / static_cast<double>(trainer_.total_steps()));
      if (options_.save_steps > 0 && result.step % options_.save_steps == 0) saved = save();
    }
    if (saved != trainer_.steps()) save();
    return {mean_loss(), trainer_.steps(), cli::interrupted()};
  }

  const RunState& state() const { return state_; }

 private:
  double mean_loss() const {
    if (state_.loss_steps > 0) return state_.loss_sum / static_cast<double>(state_.loss_steps);
    return state_.log.empty() ? 0 : state_.log.back().loss;
  }
  void add_entry(const train::StepResult& result, const cli::Log& log) {
    state_.log.push_back(
        {result.step, trainer_.epoch(), mean_loss(), result.learning_rate, result.gradient_norm});
    state_.loss_sum = 0, state_.loss_steps = 0;
    const LogEntry& e = state_.log.back();
    json::Writer out;
    out.begin_object().key("step").integer(e.step).key("epoch").float64(e.epoch);
    out.key("loss").float64(e.loss).key("learning_rate").float64(e.learning_rate);
    out.key("grad_norm").float64(e.gradient_norm).end_object();
    log.note(out.text());
  }
  std::int64_t save() {
    save_checkpoint(options_.output_dir, trainer_, state_, files_, options_.save_total_limit);
    return trainer_.steps();
  }

  const TrainOptions& options_;
  train::Trainer& trainer_;
  CheckpointSource files_;
  RunState state_;
};

void write_results(const std::string& output, const train::Trainer& trainer,
                   const TrainResult& result, double seconds, std::int64_t examples) {
  json::Writer out(2);
  out.begin_object();
  out.key("epoch").float64(trainer.epoch());
  out.key("train_loss").float64(result.loss);
  out.key("train_runtime").float64(seconds);
  out.key("train_samples").integer(examples);
  out.key("train_steps").integer(result.steps).end_object();
  write_text(output + "/train_results.json", std::move(out).text() + "\n");
}

}  // namespace

TrainResult train_classifier(const TrainOptions& options, io::ShowProgress show,
                             const cli::Log& log) {
  const auto start = std::chrono::steady_clock::now();
  const weights::Checkpoint source(options.model);
  const LabelledTexts texts =
      read_labelled(options.train_file, options.columns,
                    options.max_samples > 0 ? options.max_samples : std::int64_t{1} << 40);
  const LabelSet labels(texts, read_common_config(source.config()));
  const std::string config = classifier_config(source.config(), labels.names, labels.problem);
  const json::Document config_document = parse_config(config);

  fs::create_directories(options.output_dir);
  const bool fresh = options.resume == Resume::kNo;
  if (fresh && options.directory == UsedDirectory::kRefuse && !fs::is_empty(options.output_dir)) {
    throw Error(ErrorCode::kInvalidArgument,
                options.output_dir +
                    ": is not empty; --resume goes on, --overwrite-output-dir "
                    "begins anew");
  }
  const DirectoryLock lock(options.output_dir);
  std::optional<std::string> checkpoint;
  if (options.resume == Resume::kYes) checkpoint = newest_checkpoint(options.output_dir, log);
  const weights::Checkpoint from(checkpoint.value_or(options.model));
  LoadOptions load = options.load;
  load.head = HeadKind::kSequenceClassification;
  TrainableEncoder encoder = load_trainable_encoder(
      from, load,
      {NewHead::kInitialise, Start::kCheckpoint, options.trainer.seed, config_document.root()});
  for (const std::string& warning : encoder.warnings) log.warning(warning);

  const tokenizer::Tokenizer tokenizer = load_tokenizer(source.directory());
  TextBatchOptions text_options;
  text_options.max_length = std::min(options.max_length, encoder.config().positions);
  Threads threads(options.threads);
  const auto inputs = texts.inputs();
  train::Examples examples = examples_of(make_text_batch(tokenizer, threads, inputs, text_options),
                                         texts, encoder.config().token_types > 0);
  if (labels.problem == ProblemType::kRegression) {
    examples.values = label_values(texts);
  } else {
    examples.labels = label_classes(texts, labels.names);
  }
  const std::int64_t count = examples.size();
  train::TrainerOptions trainer_options = options.trainer;
  trainer_options.dropout = encoder.dropout(config_document.root());
  train::Trainer trainer(encoder, kernels::make_table(load.isa), options.threads,
                         std::move(examples), trainer_options);
  Run run(options, trainer, {config, source});
  if (checkpoint) run.resume(*checkpoint);
  if (fresh) remove_checkpoints(options.output_dir);
  log.note(std::to_string(count) + " examples, steps " + std::to_string(trainer.steps()) + " to " +
           std::to_string(trainer.total_steps()));
  const TrainResult result = run.steps(show, log);
  write_text(options.output_dir + "/trainer_state.json", state_text(trainer, run.state()));
  if (result.signal != 0) return result;
  write_model(options.output_dir, encoder, config, source);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  write_results(options.output_dir, trainer, result, seconds.count(), count);
  return result;
}

}  // namespace linnet::tools
