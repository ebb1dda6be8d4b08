#include "bench/peers/tokenizer_worker.h"

#include <cstdint>
#include <exception>
#include <fstream>
#include <vector>

#include "engine/core/parallel.h"
#include "tokenizer/tokenizer.h"
#include "weights/base/error.h"

namespace linnet::bench {
namespace {

class TokenizerWorker : public Worker {
 public:
  TokenizerWorker(const std::string& directory, int threads, TokenizerMode mode)
      : tokenizer_(tokenizer::Tokenizer::from_directory(directory)),
        threads_(threads),
        mode_(mode) {
    scratch_.resize(static_cast<std::size_t>(threads));
  }

  std::string answer(std::string_view op, json::Value request) override {
    if (op == "read") return read(std::string(request.at("file").string()));
    if (op == "tokenize") return tokenize();
    throw Error(ErrorCode::kInvalidArgument, "a tokenizer answers read and tokenize");
  }

 private:
  /// Reads the texts to encode: a JSON string on each line of the file.
  std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw Error(ErrorCode::kIo, path + ": cannot be opened");
    texts_.clear();
    for (std::string line; std::getline(file, line);) {
      texts_.emplace_back(json::parse(line, path, json::kTokenizerBytes).root().string());
    }
    return "\"texts\":" + std::to_string(texts_.size());
  }

  std::string tokenize() {
    encodings_.assign(mode_ == TokenizerMode::kEverything ? texts_.size() : 0, {});
    ids_.assign(mode_ == TokenizerMode::kIds ? texts_.size() : 0, {});
    std::vector<std::exception_ptr> failures(scratch_.size());
    const double start = seconds();
    parallel_for(threads_, static_cast<std::int64_t>(texts_.size()), 1,
                 [&](std::int64_t begin, std::int64_t end, int thread) noexcept {
                   try {
                     encode(begin, end, scratch_[static_cast<std::size_t>(thread)]);
                   } catch (...) {
                     failures[static_cast<std::size_t>(thread)] = std::current_exception();
                   }
                 });
    const double ms = (seconds() - start) * 1e3;
    for (const std::exception_ptr& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
    for (const tokenizer::Encoding& encoding : encodings_) ids_.push_back(encoding.ids);
    return "\"ms\":" + json_array(std::vector{ms}) + "," + digest();
  }

  void encode(std::int64_t begin, std::int64_t end, tokenizer::Scratch& scratch) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      if (mode_ == TokenizerMode::kEverything) {
        encodings_[i] = tokenizer_.encode(texts_[i], {}, scratch);
      } else {
        tokenizer_.encode_ids(texts_[i], {}, scratch, ids_[i]);
      }
    }
  }

  /// The number of ids and an FNV-1a hash that takes an id at a time, to compare with the peers'.
  std::string digest() const {
    std::uint64_t hash = 0xcbf29ce484222325, count = 0;
    for (const std::vector<std::int32_t>& ids : ids_) {
      for (const std::int32_t id : ids) {
        hash = (hash ^ static_cast<std::uint64_t>(id)) * 0x100000001b3;
      }
      count += ids.size();
    }
    return "\"tokens\":" + std::to_string(count) + ",\"digest\":\"" + std::to_string(hash) + "\"";
  }

  tokenizer::Tokenizer tokenizer_;
  Threads threads_;
  TokenizerMode mode_;
  std::vector<tokenizer::Scratch> scratch_;
  std::vector<std::string> texts_;
  std::vector<std::vector<std::int32_t>> ids_;
  std::vector<tokenizer::Encoding> encodings_;
};

}  // namespace

std::unique_ptr<Worker> make_tokenizer_worker(const std::string& directory, int threads,
                                              TokenizerMode mode) {
  return std::make_unique<TokenizerWorker>(directory, threads, mode);
}

}  // namespace linnet::bench
