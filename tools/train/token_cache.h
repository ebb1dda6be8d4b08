#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cli/log.h"

// What a tokenizer made of a file, kept for the next run.
namespace linnet::tools {

/// Sequences of ids, packed end to end.
struct TokenArrays {
  std::vector<std::int32_t> tokens, types;  // types: empty, or of each token
  std::vector<std::int64_t> starts{0};
  std::vector<std::int32_t> more;  // what else the task needs
};

enum class CacheUse { kReuse, kRenew };

/// A directory of files tokens-KEY.safetensors: each complete or absent, with a sum over its
/// content. A file that is damaged, or of another version, is named in the log and made anew; one
/// that cannot be written is named, and nothing else happens.
class TokenCache {
 public:
  /// Keeps nothing.
  TokenCache() = default;
  /// The directory is made when there is something to keep. kRenew: what is there is not read.
  TokenCache(std::string directory, CacheUse use, const cli::Log& log)
      : directory_(std::move(directory)), use_(use), log_(&log) {}

  /// What is there for `key`, which has to tell everything that the arrays depend on, or what
  /// make() gives.
  TokenArrays arrays(const std::string& key, const std::function<TokenArrays()>& make) const;

 private:
  std::string directory_;
  CacheUse use_ = CacheUse::kReuse;
  const cli::Log* log_ = nullptr;
};

}  // namespace linnet::tools
