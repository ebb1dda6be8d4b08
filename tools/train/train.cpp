#include "tools/train/train.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>

#include "engine/models/load_trainable.h"
#include "engine/tasks/embedder.h"
#include "tools/cli/build_info.h"
#include "tools/convert/files.h"
#include "tools/train/checkpoints.h"
#include "tools/train/config_overrides.h"
#include "tools/train/model_files.h"
#include "weights/base/error.h"
#include "weights/base/json_writer.h"
#include "weights/hash.h"

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

json::Document parse_config(const std::string& text) {
  return json::parse(text, "config.json", json::kConfigBytes);
}

// What is known of the model before the data is: config.json with what the options change.
json::Document base_config(const TrainOptions& options, const weights::Checkpoint& source) {
  return parse_config(override_config(source.config(), options.config_overrides));
}

// The tokens of the files of a run that is under way, in its output directory.
constexpr const char* kTokens = "token-cache";

// The lock comes first: what is in the directory is looked at by one process at a time.
class OutputPlace {
 public:
  explicit OutputPlace(const TrainOptions& options)
      : path_(made(options.run.output_dir)), lock_(path_) {
    if (options.resume == Resume::kYes || options.directory == UsedDirectory::kOverwrite) return;
    // The tokens that a run without a checkpoint has left are of use, or replaced.
    const auto is_used = [](const fs::directory_entry& entry) {
      return entry.path().filename() != kTokens;
    };
    if (std::none_of(fs::directory_iterator(path_), fs::directory_iterator(), is_used)) return;
    throw Error(ErrorCode::kInvalidArgument,
                path_ + ": is not empty; --resume goes on, --overwrite-output-dir begins anew");
  }

 private:
  static const std::string& made(const std::string& path) {
    fs::create_directories(path);
    return path;
  }
  std::string path_;
  DirectoryLock lock_;
};

// What a run leaves about itself, beside its state.
class Results {
 public:
  void number(const std::string& name, double value) {
    entries_.push_back({name, value, false, ""});
  }
  void count(const std::string& name, std::int64_t value) {
    entries_.push_back({name, static_cast<double>(value), true, ""});
  }
  void text(const std::string& name, const std::string& value) {
    entries_.push_back({name, 0, false, value});
  }
  void scores(const Scores& scores, const std::string& prefix) {
    for (const Scores::Entry& e : scores.entries()) {
      entries_.push_back({prefix + e.name, e.value, e.is_count, ""});
    }
  }
  /// The entries whose name begins with one of these.
  std::string json(std::initializer_list<std::string_view> starts) const {
    json::Writer out(2);
    out.begin_object();
    for (const Entry& e : entries_) {
      const bool wanted = std::any_of(starts.begin(), starts.end(), [&](std::string_view start) {
        return e.name.starts_with(start);
      });
      if (!wanted) continue;
      out.key(e.name);
      if (!e.text.empty()) {
        out.string(e.text);
      } else if (e.is_count) {
        out.integer(static_cast<std::int64_t>(e.value));
      } else {
        out.float64(e.value);
      }
    }
    return std::move(out.end_object()).text() + "\n";
  }

 private:
  struct Entry {
    std::string name;
    double value;
    bool is_count;
    std::string text;
  };
  std::vector<Entry> entries_;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string hash_of(const std::string& file) { return weights::text(weights::hash_file(file)); }

std::int64_t longest_input(const DataOptions& data, const TrainableModel& model) {
  return std::min(data.max_length, model.limits().positions);
}

// Everything of one run that lives as long as it does.
class Training {
 public:
  Training(const TrainOptions& options, const cli::Log& log)
      : start_(std::chrono::steady_clock::now()),
        options_(options),
        log_(log),
        source_(options.model),
        base_config_(base_config(options, source_)),
        task_(read_task(options.data, read_common_config(base_config_.root()))),
        config_(task_config(base_config_.root(), task_.head, task_.labels, task_.problem)),
        config_document_(parse_config(config_)),
        run_options_(options.run),
        tokens_(options.run.output_dir + "/" + kTokens),
        cache_(options.data_cache.value_or(tokens_), options.cache_use, log),
        train_hash_(hash_of(options.data.train_file)),
        validation_hash_(task_.validation ? hash_of(options.data.validation_file) : "") {
    for (const std::string& warning : task_.warnings) log.warning(warning);
    run_options_.command += " train-file-xxh3 " + train_hash_;
    if (task_.validation) run_options_.command += " validation-file-xxh3 " + validation_hash_;
  }

  TrainResult run(io::ShowProgress show) {
    std::optional<std::string> checkpoint;
    if (options_.resume == Resume::kYes) checkpoint = checkpoint_to_resume();
    const std::unique_ptr<TrainableModel> model =
        checkpoint ? load(*checkpoint, Start::kCheckpoint) : load(options_.model, options_.start);
    name_shorter_length(*model);
    const DataOptions& data = options_.data;
    DataSet train_set =
        encode(task_.train, *model, content_key(data, train_hash_, data.max_train_samples));
    std::optional<DataSet> validation, test;
    if (task_.validation) {
      validation = encode(task_.validation, *model,
                          content_key(data, validation_hash_, data.max_eval_samples));
    }
    if (task_.test) {
      test = encode(task_.test, *model,
                    "test " + content_key(data, hash_of(data.test_file), data.max_predict_samples));
    }
    train::TrainerOptions trainer_options = options_.trainer;
    trainer_options.dropout = model->dropout(config_document_.root());
    for (const auto* set : {&validation, &test}) {
      if (!*set) continue;
      trainer_options.longest_evaluated =
          std::max(trainer_options.longest_evaluated, (*set)->examples.longest());
    }
    const std::int64_t features = train_set.examples.size(), records = train_set.records;
    train_set.score = {}, train_set.answers = {};  // nobody asks, and they are large
    train::Trainer trainer(*model, kernels::make_table(options_.load.isa), options_.threads,
                           std::move(train_set.examples), trainer_options);
    TrainRun run(run_options_, trainer, {config_, source_}, validation ? &*validation : nullptr);
    if (checkpoint) run.resume(*checkpoint);
    if (options_.resume == Resume::kNo) remove_checkpoints(options_.run.output_dir);
    log_.note(std::to_string(features) + " examples, steps " + std::to_string(trainer.steps()) +
              " to " + std::to_string(trainer.total_steps()) + ", activations " +
              std::to_string(trainer.activation_bytes() >> 20) + " MiB");
    TrainResult result = run.steps(show, log_);
    result.broken = task_.broken;
    if (result.signal != 0) {
      write_text(options_.run.output_dir + "/trainer_state.json", state_text(trainer, run.state()));
      return result;
    }
    const std::string state = state_text(trainer, run.state());
    Results results;
    results.number("epoch", trainer.epoch());
    results.number("train_loss", result.loss);
    results.number("train_runtime", seconds_since(start_));
    results.count("train_samples", records);
    results.count("train_steps", result.steps);
    results.count("train_activation_bytes", trainer.activation_bytes());
    results.text("train_file_xxh3", train_hash_);
    run.take_best(log_);
    std::vector<AnswerFile> files;
    if (options_.evaluate_at_end && validation) {
      score(run, *validation, results, files);
      results.count("eval_samples", validation->records);
      results.text("eval_file_xxh3", validation_hash_);
      files.push_back({"eval_results.json", results.json({"epoch", "eval_"})});
    }
    if (test) {
      score(run, *test, results, files);
      results.count("predict_samples", test->records);
      if (test->score) {
        files.push_back({"predict_results.json", results.json({"predict_", "test_"})});
      }
    }
    files.push_back({"trainer_state.json", state});
    files.push_back({"train_results.json", results.json({"epoch", "train_"})});
    files.push_back({"all_results.json", results.json({""})});
    leave(*model, files);
    return result;
  }

 private:
  std::optional<std::string> checkpoint_to_resume() const {
    if (options_.resume_from.empty()) return newest_checkpoint(options_.run.output_dir, log_);
    verify_checkpoint(options_.resume_from);
    return options_.resume_from;
  }
  std::unique_ptr<TrainableModel> load(const std::string& from, Start start) const {
    LoadOptions load = options_.load;
    load.head = task_.head;
    std::unique_ptr<TrainableModel> model = load_trainable(
        weights::Checkpoint(from), load,
        {NewHead::kInitialise, start, options_.trainer.seed, config_document_.root()});
    for (const std::string& warning : model->warnings) log_.warning(warning);
    return model;
  }
  // Texts are cut at the model's positions, as the examples of transformers do it.
  void name_shorter_length(const TrainableModel& model) const {
    const DataOptions& data = options_.data;
    const bool blocks = data.task == TrainTask::kLanguageModeling ||
                        data.task == TrainTask::kMaskedLanguageModeling;
    const std::int64_t positions = model.limits().positions;
    if (blocks || data.max_length <= positions) return;
    log_.warning("the model has " + std::to_string(positions) + " positions: inputs have so many " +
                 "tokens at most, not " + std::to_string(data.max_length));
  }
  DataSet encode(const std::function<DataSet(const TextEncoder&)>& data,
                 const TrainableModel& model, const std::string& content) const {
    const tokenizer::Tokenizer tokenizer = load_tokenizer(source_.directory());
    Threads threads(options_.threads);
    const std::int64_t longest = longest_input(options_.data, model);
    const bool types = model.limits().types > 0;
    const std::string key = "linnet " + cli::version_number() + " " + cli::commit() + " " +
                            tokenizer_key() + content + " length " + std::to_string(longest) +
                            (types ? " types" : "");
    return data({tokenizer, threads, longest, types, &cache_, key});
  }
  // The files of the tokenizer.
  std::string tokenizer_key() const {
    std::string key;
    for (const std::string& name : files_to_copy(source_, {})) {
      if (name.find('/') != std::string::npos || name == "README.md") continue;
      key += name + " " + weights::text(describe_file(source_.directory(), name).hash) + " ";
    }
    return key;
  }
  static void score(TrainRun& run, const DataSet& data, Results& results,
                    std::vector<AnswerFile>& files) {
    const Evaluated found = run.evaluate(data);
    results.scores(found.scores, data.score_prefix);
    if (!data.answers) return;
    for (AnswerFile& file : data.answers(found.logits)) files.push_back(std::move(file));
  }
  void leave(const TrainableModel& model, const std::vector<AnswerFile>& files) {
    publish(options_.run.output_dir, [&](const std::string& to) {
      write_model(to, model, config_, source_);
      for (const AnswerFile& file : files) write_text(to + "/" + file.name, file.text);
    });
    fs::remove_all(tokens_);
  }

  std::chrono::steady_clock::time_point start_;
  const TrainOptions& options_;
  const cli::Log& log_;
  weights::Checkpoint source_;
  json::Document base_config_;
  TaskData task_;
  std::string config_;
  json::Document config_document_;
  RunOptions run_options_;
  std::string tokens_;
  TokenCache cache_;
  std::string train_hash_, validation_hash_;
};

}  // namespace

TrainResult train(const TrainOptions& options, io::ShowProgress show, const cli::Log& log) {
  const OutputPlace place(options);
  return Training(options, log).run(show);
}

}  // namespace linnet::tools
