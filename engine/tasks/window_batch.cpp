#include "engine/tasks/window_batch.h"

#include <algorithm>
#include <exception>
#include <numeric>

namespace linnet {
namespace {

using tokenizer::Encoding;

// Offsets then count in text that is valid UTF-8 and that the caller can slice.
void replace_invalid(WindowedText& text) {
  text.first = tokenizer::replace_invalid_utf8(text.text.first);
  text.text.first = text.first;
  if (text.text.second) {
    text.second = tokenizer::replace_invalid_utf8(*text.text.second);
    text.text.second = text.second;
  }
}

void encode(WindowedText& text, const tokenizer::Tokenizer& tokenizer, tokenizer::Scratch& scratch,
            const tokenizer::EncodeOptions& options) {
  try {
    if (options.invalid_utf8 == tokenizer::InvalidUtf8::kReplace) replace_invalid(text);
    Encoding first = text.text.second ? tokenizer.encode_pair(text.text.first, *text.text.second,
                                                              options, scratch)
                                      : tokenizer.encode(text.text.first, options, scratch);
    if (first.size() == 0) throw Error(ErrorCode::kInvalidArgument, "the text has no token");
    std::vector<Encoding> further = std::move(first.overflow);
    first.overflow.clear();
    text.windows.push_back(std::move(first));
    std::move(further.begin(), further.end(), std::back_inserter(text.windows));
  } catch (const Error& e) {
    text.windows.clear();
    text.code = e.code();
    text.error = e.what();
  }
}

}  // namespace

void for_each_on_all_threads(Threads& threads, std::int64_t n,
                             FunctionRef<void(std::int64_t i)> f) {
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(threads.count()));
  parallel_for(threads, n, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
    try {
      for (std::int64_t i = begin; i < end; ++i) f(i);
    } catch (...) {  // nothing may throw inside a region
      failures[static_cast<std::size_t>(thread)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

std::vector<WindowedText> make_windows(const tokenizer::Tokenizer& tokenizer, Threads& threads,
                                       std::span<const TextInput> inputs,
                                       const tokenizer::EncodeOptions& options) {
  std::vector<WindowedText> texts(inputs.size());
  constexpr std::int64_t kGroup = 8;  // texts: about as long as a region takes
  const auto n = static_cast<std::int64_t>(inputs.size());
  for_each_on_all_threads(threads, (n + kGroup - 1) / kGroup, [&](std::int64_t group) {
    tokenizer::Scratch scratch;
    for (std::int64_t i = group * kGroup; i < std::min(n, (group + 1) * kGroup); ++i) {
      const auto row = static_cast<std::size_t>(i);
      texts[row].text = inputs[row];
      encode(texts[row], tokenizer, scratch, options);
    }
  });
  return texts;
}

WindowBatch pack_windows(std::span<const WindowedText> texts) {
  WindowBatch batch;
  bool any_type = false;
  for (std::size_t row = 0; row < texts.size(); ++row) {
    for (std::size_t w = 0; w < texts[row].windows.size(); ++w) {
      batch.sequences.push_back({static_cast<std::int64_t>(row), static_cast<std::int64_t>(w)});
      const std::vector<std::int32_t>& types = texts[row].windows[w].type_ids;
      any_type = any_type || std::any_of(types.begin(), types.end(), [](int t) { return t != 0; });
    }
  }
  const auto encoding = [&](const WindowBatch::Sequence& s) -> const Encoding& {
    return texts[static_cast<std::size_t>(s.row)].windows[static_cast<std::size_t>(s.window)];
  };
  std::stable_sort(
      batch.sequences.begin(), batch.sequences.end(),
      [&](const auto& a, const auto& b) { return encoding(a).size() > encoding(b).size(); });
  for (const WindowBatch::Sequence& s : batch.sequences) {
    const Encoding& e = encoding(s);
    const auto begin = static_cast<std::ptrdiff_t>(batch.tokens.size());
    batch.tokens.insert(batch.tokens.end(), e.ids.begin(), e.ids.end());
    if (any_type) batch.types.insert(batch.types.end(), e.type_ids.begin(), e.type_ids.end());
    batch.positions.resize(batch.tokens.size());
    std::iota(batch.positions.begin() + begin, batch.positions.end(), 0);
    batch.starts.push_back(static_cast<std::int64_t>(batch.tokens.size()));
  }
  return batch;
}

std::vector<std::vector<std::int64_t>> window_starts(const WindowBatch& batch,
                                                     std::span<const WindowedText> texts) {
  std::vector<std::vector<std::int64_t>> starts(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) starts[i].resize(texts[i].windows.size());
  for (std::size_t s = 0; s < batch.sequences.size(); ++s) {
    const WindowBatch::Sequence& sequence = batch.sequences[s];
    starts[static_cast<std::size_t>(sequence.row)][static_cast<std::size_t>(sequence.window)] =
        batch.starts[s];
  }
  return starts;
}

Batch slice(const Batch& batch, std::int64_t first, std::int64_t end,
            std::vector<std::int64_t>& starts) {
  starts.clear();
  const std::int64_t begin = batch.starts[static_cast<std::size_t>(first)];
  for (std::int64_t b = first; b <= end; ++b) {
    starts.push_back(batch.starts[static_cast<std::size_t>(b)] - begin);
  }
  const auto token = static_cast<std::size_t>(begin);
  const auto count = static_cast<std::size_t>(starts.back());
  Batch part{batch.tokens.subspan(token, count), batch.positions.subspan(token, count), {}, starts};
  if (!batch.types.empty()) part.types = batch.types.subspan(token, count);
  return part;
}

CancelScope::CancelScope(EncoderSession& session, const TaskCalls& calls) : session_(session) {
  if (calls.cancel) session.cancel_when(calls.cancel);
}

void run_windows(EncoderSession& session, const Batch& batch, Mat<float> logits,
                 const TaskCalls& calls) {
  const CancelScope scope(session, calls);
  std::vector<std::int64_t> starts;
  for (std::int64_t first = 0, end = 0; first < batch.B(); first = end) {
    const std::int64_t begin = batch.starts[static_cast<std::size_t>(first)];
    std::int64_t stop = begin;
    for (; end < batch.B() && stop - begin < kTokensBetweenCalls; ++end) {
      stop += batch.length(end);
    }
    EncoderOutputs out;
    out.token_logits = logits.slice_rows(begin, stop);
    session.run(slice(batch, first, end, starts), out);
    if (calls.progress) calls.progress(stop, batch.T());
  }
}

std::int64_t code_points(std::string_view text, std::int64_t at) {
  return std::count_if(text.begin(), text.begin() + at,
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace linnet
