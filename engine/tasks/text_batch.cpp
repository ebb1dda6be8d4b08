#include "engine/tasks/text_batch.h"

#include <algorithm>
#include <numeric>

namespace linnet {
namespace {

using tokenizer::EncodeOptions;
using tokenizer::Tokenizer;

// What one thread has made of its inputs.
struct Encoded {
  std::vector<std::int32_t> ids, types;
  std::vector<std::int64_t> ends;  // of each input's ids; an input with an error has none
  std::vector<RowError> errors;
};

void append(Encoded& out, const Tokenizer& tokenizer, tokenizer::Scratch& scratch,
            const TextInput& input, const TextBatchOptions& options, const EncodeOptions& encode,
            std::string& prompted) {
  std::string_view first = input.first;
  if (!options.prompt.empty()) {
    prompted.assign(options.prompt).append(first);
    first = prompted;
  }
  const std::size_t before = out.ids.size();
  if (input.second) {
    tokenizer.encode_pair_ids(first, *input.second, encode, scratch, out.ids, out.types);
  } else {
    tokenizer.encode_ids(first, encode, scratch, out.ids);
    out.types.resize(out.ids.size(), 0);
  }
  const auto n = static_cast<std::int64_t>(out.ids.size() - before);
  if (n == 0) throw Error(ErrorCode::kInvalidArgument, "the text has no token");
  if (n > options.max_length) {
    throw Error(ErrorCode::kInvalidArgument, "the text has " + std::to_string(n) +
                                                 " tokens, expected at most " +
                                                 std::to_string(options.max_length));
  }
}

Encoded encode_rows(const Tokenizer& tokenizer, std::span<const TextInput> inputs,
                    std::int64_t begin, std::int64_t end, const TextBatchOptions& options) {
  EncodeOptions encode = options.encode;
  if (options.too_long != TooLong::kRefuse) {
    encode.truncation = options.too_long == TooLong::kTruncate
                            ? tokenizer::Truncation::kLongestFirst
                            : tokenizer::Truncation::kOnlyFirst;
    encode.max_length = options.max_length;
  }
  Encoded out;
  tokenizer::Scratch scratch;
  std::string prompted;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::size_t before = out.ids.size();
    try {
      append(out, tokenizer, scratch, inputs[static_cast<std::size_t>(row)], options, encode,
             prompted);
    } catch (const Error& e) {
      out.ids.resize(before);
      out.types.resize(before);
      out.errors.push_back({row, e.code(), e.what()});
    }
    out.ends.push_back(static_cast<std::int64_t>(out.ids.size()));
  }
  return out;
}

}  // namespace

TextBatch make_text_batch(const Tokenizer& tokenizer, Threads& threads,
                          std::span<const TextInput> inputs, const TextBatchOptions& options) {
  const auto n = static_cast<std::int64_t>(inputs.size());
  std::vector<Encoded> parts(static_cast<std::size_t>(threads.count()));
  std::vector<std::exception_ptr> failures(parts.size());
  std::vector<std::int64_t> firsts(parts.size(), n);  // input at which a thread's part begins
  constexpr std::int64_t kGrain = 8;                  // texts: about as long as a region takes
  parallel_for(threads, n, kGrain, [&](std::int64_t begin, std::int64_t end, int thread) {
    const auto t = static_cast<std::size_t>(thread);
    firsts[t] = begin;
    try {
      parts[t] = encode_rows(tokenizer, inputs, begin, end, options);
    } catch (...) {  // out of memory: nothing may throw inside a region
      failures[t] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }

  struct Sequence {
    std::int64_t row, length;
    const Encoded* part;
    std::int64_t begin;
  };
  TextBatch batch;
  std::vector<Sequence> sequences;
  bool any_type = false;
  for (std::size_t t = 0; t < parts.size(); ++t) {
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < parts[t].ends.size(); ++i) {
      const std::int64_t end = parts[t].ends[i];
      if (end > begin) {
        sequences.push_back(
            {firsts[t] + static_cast<std::int64_t>(i), end - begin, &parts[t], begin});
      }
      begin = end;
    }
    batch.errors.insert(batch.errors.end(), parts[t].errors.begin(), parts[t].errors.end());
    any_type = any_type || std::any_of(parts[t].types.begin(), parts[t].types.end(),
                                       [](std::int32_t type) { return type != 0; });
  }
  std::stable_sort(sequences.begin(), sequences.end(),
                   [](const Sequence& a, const Sequence& b) { return a.length > b.length; });
  for (const Sequence& s : sequences) {
    const auto ids = s.part->ids.begin() + s.begin;
    batch.tokens.insert(batch.tokens.end(), ids, ids + s.length);
    const auto types = s.part->types.begin() + s.begin;
    if (any_type) batch.types.insert(batch.types.end(), types, types + s.length);
    const auto at = batch.positions.size();
    batch.positions.resize(batch.tokens.size());
    std::iota(batch.positions.begin() + static_cast<std::ptrdiff_t>(at), batch.positions.end(), 0);
    batch.starts.push_back(static_cast<std::int64_t>(batch.tokens.size()));
    batch.rows.push_back(s.row);
  }
  return batch;
}

}  // namespace linnet
