#include "tools/task/row_stream.h"

#include <utility>

#include "tools/cli/signals.h"
#include "tools/io/progress.h"

namespace linnet::tools {
namespace {

// Records that are worked on together: enough to fill the threads, few enough to stay small.
constexpr std::size_t kChunkRows = 1024;
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

// The next records; false at the end.
bool read_chunk(io::TextSource& source, std::vector<Record>& chunk) {
  chunk.clear();
  std::size_t bytes = 0;
  for (Record record; chunk.size() < kChunkRows && bytes < kChunkBytes && source.next(record);) {
    for (const auto& field : record.fields) bytes += field ? field->size() : 0;
    chunk.push_back(std::move(record));
  }
  return !chunk.empty();
}

std::vector<RowResult> results_of(const std::vector<Record>& chunk, const RowTask& task) {
  std::vector<RowResult> results(chunk.size()), good;
  std::vector<const Record*> records;
  for (const Record& record : chunk) {
    if (record.error.empty()) records.push_back(&record);
  }
  good.resize(records.size());
  if (!records.empty()) task(records, good);
  auto next = good.begin();
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (chunk[i].error.empty()) {
      results[i] = std::move(*next++);
    } else {
      results[i].error = chunk[i].error;
    }
  }
  return results;
}

}  // namespace

TaskModel load_model(const cli::Arguments& args, const cli::Log& log, HeadKind head) {
  return load_model(args, log, head, std::string(args.text(commands::kModel)));
}

TaskModel load_model(const cli::Arguments& args, const cli::Log& log, HeadKind head,
                     const std::string& directory) {
  LoadOptions options = commands::load_options(args, log);
  options.head = head;
  return load_task_model(directory, options, commands::open_options(args));
}

TaskCalls task_calls() {
  TaskCalls calls;
  calls.cancel = [] {
    cli::check_interrupt();
    return false;
  };
  return calls;
}

std::vector<std::string_view> first_fields(const std::vector<const Record*>& records) {
  std::vector<std::string_view> texts;
  for (const Record* record : records) texts.emplace_back(*record->fields[0]);
  return texts;
}

int run_rows(const cli::Arguments& args, cli::Console& console, io::TextSource& source,
             ResultOptions options, const RowTask& task) {
  options.format = args.flag(commands::kJson) && !args.given(kFormat)
                       ? ResultFormat::kJson
                       : parse_result_format(args.text(kFormat));
  options.columns.insert(options.columns.begin(), {"index", io::Table::Align::kRight});
  commands::Failures failures(console.log);
  io::write_to(commands::destination(args), console.out, [&](const io::Sink& sink) {
    ResultWriter writer(std::move(options), sink);
    io::Progress progress(
        args.flag(commands::kNoProgress) ? io::ShowProgress::kNo : io::ShowProgress::kYes, "rows",
        console.log);
    for (std::vector<Record> chunk; read_chunk(source, chunk);) {
      cli::check_interrupt();
      const std::vector<RowResult> results = results_of(chunk, task);
      for (std::size_t i = 0; i < chunk.size(); ++i) {
        if (!results[i].error.empty()) failures.add(source.place(chunk[i]), results[i].error);
        writer.add(results[i]);
      }
      writer.flush();
      progress.update(writer.rows(), source.fraction());
    }
    writer.finish();
  });
  return failures.exit_code();
}

}  // namespace linnet::tools
