#include "tools/bench/model_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>

#include "tools/bench/any_model.h"
#include "tools/bench/provenance.h"
#include "tools/bench/samples.h"

namespace linnet::bench {
namespace {

double nanoseconds() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::nano>(since).count();
}

/// Sequences of random ids, packed end to end.
class RandomBatch {
 public:
  RandomBatch(std::int64_t sequences, std::int64_t length, std::int64_t vocabulary) {
    std::mt19937 rng(1);
    starts_.push_back(0);
    for (std::int64_t b = 0; b < sequences; ++b) {
      for (std::int64_t i = 0; i < length; ++i) {
        const auto id = static_cast<std::int64_t>(rng()) % vocabulary;
        tokens_.push_back(static_cast<std::int32_t>(id));
        positions_.push_back(static_cast<std::int32_t>(i));
      }
      starts_.push_back(static_cast<std::int64_t>(tokens_.size()));
    }
  }
  Batch all() const { return {tokens_, positions_, {}, starts_}; }
  /// The last sequence alone.
  Batch last() const {
    const auto length = static_cast<std::size_t>(starts_.back()) / (starts_.size() - 1);
    return {std::span(tokens_).last(length),
            std::span(positions_).last(length),
            {},
            std::span(starts_).first(2)};
  }

 private:
  std::vector<std::int32_t> tokens_, positions_;
  std::vector<std::int64_t> starts_;
};

void encode(AnySession& session, const Batch& batch) {
  session.run(batch, [](std::int64_t, Mat<const float>) {});
}

/// The last hidden states of the last sequence of `batch`.
std::vector<float> last_hidden(AnySession& session, const Batch& batch) {
  const std::int64_t length = batch.length(batch.B() - 1), D = session.model().width();
  std::vector<float> states(static_cast<std::size_t>(length * D));
  session.run(batch, [&](std::int64_t end, Mat<const float> hidden) {
    if (end != batch.B()) return;
    for (std::int64_t t = 0; t < length; ++t) {
      std::memcpy(states.data() + t * D, hidden.row(hidden.rows - length + t),
                  static_cast<std::size_t>(D) * sizeof(float));
    }
  });
  return states;
}

/// The promise, looked at before a speed is shown: a sequence alone on one thread gives the bytes
/// that it gives in the batch on all threads.
bool same_bits(AnySession& session, const RandomBatch& batch) {
  AnySession alone(session.model());
  const std::vector<float> a = last_hidden(session, batch.all()),
                           b = last_hidden(alone, batch.last());
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

std::vector<double> rates(const Samples& samples, std::int64_t tokens) {
  std::vector<double> out;
  for (const double ns : samples.ns) out.push_back(1e9 * static_cast<double>(tokens) / ns);
  return out;
}

/// A model at one level, and what loading it took.
struct Loaded {
  std::unique_ptr<AnyModel> model;  // stays where it is
  double load_ns;
  std::int64_t rss_before;
};

Loaded load(const ModelBench& bench, Precision precision, kernels::Isa isa, int threads) {
  const std::int64_t before = resident_bytes();
  LoadOptions options;
  options.isa = isa, options.threads = threads, options.precision = precision;
  const double start = nanoseconds();
  auto model =
      std::make_unique<AnyModel>(weights::Checkpoint(bench.directory, bench.open), options);
  return {std::move(model), nanoseconds() - start, before};
}

/// A model while it is measured.
struct Runner {
  const Loaded* loaded;
  std::unique_ptr<AnySession> session;
  Samples samples = {};
};

Record row_of(const ModelBench& bench, Runner& runner, Runner& first, const RandomBatch& batch,
              int threads, std::int64_t B, std::int64_t S) {
  const Loaded& loaded = *runner.loaded;
  AnySession& session = *runner.session;
  const Samples& samples = runner.samples;
  Samples per_second;
  per_second.ns = rates(samples, B * S);
  const double p25 = samples.quantile(0.25);
  const double alike =
      cosine(last_hidden(session, batch.all()), last_hidden(*first.session, batch.all()));
  return {{"model_type", bench.model_name, "model"},
          {"model_size", loaded.model->bytes()},
          {"number_format", name(loaded.model->precision()), "precision"},
          {"backend", "linnet"},
          {"isa", kernels::name(loaded.model->isa()), "level"},
          {"n_threads", std::int64_t{threads}, "threads"},
          {"n_batch", B, "batch"},
          {"n_prompt", S, "tokens"},
          {"n_gen", std::int64_t{0}},
          {"real_tokens", B * S},
          {"avg_ns", samples.mean()},
          {"stddev_ns", samples.deviation()},
          {"min_ns", samples.min()},
          {"p25_ns", p25},
          {"p50_ns", samples.quantile(0.5)},
          {"p99_ns", samples.quantile(0.99)},
          {"min_ms", samples.min() * 1e-6, "min ms", 3},
          {"p25_ms", p25 * 1e-6, "p25 ms", 3},
          {"ratio_p25", paired(samples, first.samples).quantile(0.25), "to first", 3},
          {"avg_ts", per_second.mean()},
          {"stddev_ts", per_second.deviation()},
          {"p25_ts", 1e9 * static_cast<double>(B * S) / p25, "tokens/s", 0},
          {"sequences_per_second", 1e9 * static_cast<double>(B) / p25, "sequences/s", 1},
          {"same_bits", same_bits(session, batch), "same bits"},
          {"cosine", alike, "cosine", 6},
          {"load_ns", loaded.load_ns},
          {"load_ms", loaded.load_ns * 1e-6, "load ms", 1},
          {"rss_before", loaded.rss_before},
          {"rss_peak", peak_resident_bytes()},
          {"rss_peak_mb", static_cast<double>(peak_resident_bytes()) * 1e-6, "peak MB", 1},
          {"samples_ns", samples.ns},
          {"samples_ts", per_second.ns}};
}

/// All precisions on one batch, in turn.
void measure(const ModelBench& bench, const std::vector<Loaded>& models, int threads,
             std::int64_t B, std::int64_t S, std::vector<Record>& rows) {
  SessionOptions options;
  options.threads = threads;
  if (bench.tokens_per_pass > 0) options.tokens_per_pass = bench.tokens_per_pass;
  const RandomBatch batch(B, S, models.front().model->vocab_size());
  std::vector<Runner> runners;
  for (const Loaded& loaded : models) {
    runners.push_back({&loaded, std::make_unique<AnySession>(*loaded.model, options)});
    encode(*runners.back().session, batch.all());  // the first touch of every page
  }
  for (int i = 0; i < bench.repetitions; ++i) {
    for (Runner& runner : runners) {
      const double start = nanoseconds();
      encode(*runner.session, batch.all());
      runner.samples.ns.push_back(nanoseconds() - start);
    }
  }
  for (Runner& runner : runners) {
    rows.push_back(row_of(bench, runner, runners.front(), batch, threads, B, S));
  }
}

const Value& at(const Record& row, std::string_view name) {
  return std::find_if(row.begin(), row.end(), [&](const Field& f) { return f.name == name; })
      ->value;
}

}  // namespace

const char* name(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "fp32";
    case Precision::kBfloat16:
      return "bf16";
    case Precision::kInt8:
      return "int8";
  }
  return "";
}

std::vector<std::string> slower_than_fp32(const std::vector<Record>& rows) {
  std::vector<std::string> out;
  bool beside = false;  // the row that this one is compared with is FP32
  for (const Record& row : rows) {
    const auto& format = std::get<std::string>(at(row, "number_format"));
    const double ratio = std::get<double>(at(row, "ratio_p25"));
    beside = format == "fp32" || beside;
    if (format == "fp32" || !beside || ratio <= 1) continue;
    char text[200] = {};
    std::snprintf(
        text, sizeof(text),
        "%s is slower than fp32 at level %s, %lld threads, %lld x %lld tokens: %.2f times "
        "its time",
        format.c_str(), std::get<std::string>(at(row, "isa")).c_str(),
        static_cast<long long>(std::get<std::int64_t>(at(row, "n_threads"))),
        static_cast<long long>(std::get<std::int64_t>(at(row, "n_batch"))),
        static_cast<long long>(std::get<std::int64_t>(at(row, "n_prompt"))), ratio);
    out.emplace_back(text);
  }
  return out;
}

std::int64_t ModelBench::cases() const {
  return static_cast<std::int64_t>(precisions.size() * isas.size() * threads.size() *
                                   batch_sizes.size() * lengths.size());
}

std::vector<Record> run(const ModelBench& bench, const std::function<void(std::int64_t)>& done) {
  std::vector<Record> rows;
  for (const kernels::Isa isa : bench.isas) {
    for (const int threads : bench.threads) {
      std::vector<Loaded> models;
      for (const Precision precision : bench.precisions) {
        models.push_back(load(bench, precision, isa, threads));
      }
      for (const std::int64_t B : bench.batch_sizes) {
        for (const std::int64_t S : bench.lengths) {
          measure(bench, models, threads, B, S, rows);
          done(static_cast<std::int64_t>(rows.size()));
        }
      }
    }
  }
  return rows;
}

}  // namespace linnet::bench
