#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/core/batch.h"
#include "engine/core/function_ref.h"
#include "engine/core/parallel.h"
#include "engine/tasks/encoder_task.h"
#include "engine/tasks/text_batch.h"
#include "tokenizer/encoding.h"
#include "tokenizer/tokenizer.h"

// Long texts as overlapping windows, for the tasks whose answers point into the text.
namespace linnet {

/// One input as the windows that the model reads, or why there are none.
struct WindowedText {
  WindowedText() = default;
  WindowedText(const WindowedText&) = delete;  // `text` may point into `first` and `second`
  WindowedText& operator=(const WindowedText&) = delete;

  std::string first, second;  // owned only where invalid UTF-8 was replaced
  TextInput text;             // what the offsets count in
  std::vector<tokenizer::Encoding> windows;
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string error;  // not empty: the input failed
};

/// f(i) for each i of [0, n) on all threads; it may throw: one of the exceptions is thrown on.
void for_each_on_all_threads(Threads& threads, std::int64_t n, FunctionRef<void(std::int64_t i)> f);

/// Tokenises all inputs on all threads. options.return_overflow decides whether there is more than
/// one window. An input without a token fails.
std::vector<WindowedText> make_windows(const tokenizer::Tokenizer& tokenizer, Threads& threads,
                                       std::span<const TextInput> inputs,
                                       const tokenizer::EncodeOptions& options);

/// Windows packed end to end, the longest first.
struct WindowBatch {
  struct Sequence {
    std::int64_t row;     // the input
    std::int64_t window;  // of the input
  };
  std::vector<std::int32_t> tokens, positions, types;  // types: empty where all are 0
  std::vector<std::int64_t> starts{0};
  std::vector<Sequence> sequences;

  Batch batch() const { return {tokens, positions, types, starts}; }
};

/// All windows of all texts. The order depends on the texts alone.
WindowBatch pack_windows(std::span<const WindowedText> texts);

/// The first token of each window of each text in the batch.
std::vector<std::vector<std::int64_t>> window_starts(const WindowBatch& batch,
                                                     std::span<const WindowedText> texts);

/// Sequences [first, end) of the batch as a batch; `starts` is where its starts are kept.
Batch slice(const Batch& batch, std::int64_t first, std::int64_t end,
            std::vector<std::int64_t>& starts);

/// Tokens that run between two calls of TaskCalls.
inline constexpr std::int64_t kTokensBetweenCalls = 4096;

/// The session asks calls.cancel as long as this lives.
class CancelScope {
 public:
  CancelScope(EncoderSession& session, const TaskCalls& calls);
  ~CancelScope() { session_.cancel_when({}); }
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;

 private:
  EncoderSession& session_;
};

/// Fills logits [T, C] of all tokens.
void run_windows(EncoderSession& session, const Batch& batch, Mat<float> logits,
                 const TaskCalls& calls);

/// Code points of `text` before byte `at`; `text` is valid UTF-8.
std::int64_t code_points(std::string_view text, std::int64_t at);

}  // namespace linnet
