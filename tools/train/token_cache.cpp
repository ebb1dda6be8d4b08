#include "tools/train/token_cache.h"

#include <cstring>
#include <filesystem>
#include <optional>
#include <span>

#include "weights/base/error.h"
#include "weights/base/text.h"
#include "weights/hash.h"
#include "weights/safetensors.h"

namespace linnet::tools {
namespace {

namespace fs = std::filesystem;
using weights::DType;

// Of what the files hold, and of how the tasks read it.
constexpr std::string_view kVersion = "1";

std::string name_of(const std::string& key) {
  return "tokens-" + weights::text(weights::hash_bytes(std::as_bytes(std::span(key)))) +
         ".safetensors";
}

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::kFormat, what); }

const std::string& entry(const weights::Safetensors& file, std::string_view name) {
  const auto found = file.metadata().find(name);
  if (found == file.metadata().end()) fail("has no entry " + quote(name));
  return found->second;
}

template <class T>
std::string sum_of(const std::vector<T>& elements) {
  return weights::text(weights::hash_bytes(std::as_bytes(std::span(elements))));
}

std::string sums(const TokenArrays& a) {
  return sum_of(a.tokens) + " " + sum_of(a.types) + " " + sum_of(a.starts) + " " + sum_of(a.more);
}

template <class T>
void read(const weights::Safetensors& file, std::string_view name, DType dtype,
          std::vector<T>& to) {
  const weights::TensorView* found = file.find(name);
  if (found == nullptr || found->dtype != dtype) fail("has no integers " + quote(name));
  to.resize(found->bytes.size() / sizeof(T));
  if (!to.empty()) std::memcpy(to.data(), found->bytes.data(), found->bytes.size());
}

// Sequences one after the other that hold all tokens.
bool is_whole(const TokenArrays& a) {
  if (a.starts.empty() || a.starts.front() != 0) return false;
  for (std::size_t i = 1; i < a.starts.size(); ++i) {
    if (a.starts[i] <= a.starts[i - 1]) return false;
  }
  return a.starts.back() == static_cast<std::int64_t>(a.tokens.size()) &&
         (a.types.empty() || a.types.size() == a.tokens.size());
}

// Throws kFormat and kIo; empty where there is no such file.
std::optional<TokenArrays> load(const std::string& directory, const std::string& key) {
  if (!fs::exists(fs::path(directory) / name_of(key))) return std::nullopt;
  const weights::Directory from(directory);
  const auto file = weights::open_safetensors(from, name_of(key), weights::FileAccess::kRead);
  if (!file) return std::nullopt;
  if (entry(*file, "version") != kVersion) fail("is of another version");
  if (entry(*file, "key") != key) fail("is of other data or options");
  TokenArrays a;
  read(*file, "tokens", DType::kI32, a.tokens);
  read(*file, "types", DType::kI32, a.types);
  read(*file, "starts", DType::kI64, a.starts);
  read(*file, "more", DType::kI32, a.more);
  if (entry(*file, "xxh3") != sums(a) || !is_whole(a)) fail("its sums are not those of its data");
  return a;
}

template <class T>
weights::TensorToWrite tensor(const char* name, DType dtype, const std::vector<T>& elements) {
  return {name,
          dtype,
          {static_cast<std::int64_t>(elements.size())},
          std::as_bytes(std::span(elements))};
}

void store(const std::string& directory, const std::string& key, const TokenArrays& a) {
  fs::create_directories(directory);
  const weights::TensorToWrite tensors[] = {
      tensor("tokens", DType::kI32, a.tokens), tensor("types", DType::kI32, a.types),
      tensor("starts", DType::kI64, a.starts), tensor("more", DType::kI32, a.more)};
  weights::write_safetensors(directory + "/" + name_of(key), tensors,
                             {{"key", key}, {"version", std::string(kVersion)}, {"xxh3", sums(a)}});
}

}  // namespace

TokenArrays TokenCache::arrays(const std::string& key,
                               const std::function<TokenArrays()>& make) const {
  if (directory_.empty()) return make();
  const std::string path = directory_ + "/" + name_of(key);
  if (use_ == CacheUse::kReuse) {
    try {
      if (std::optional<TokenArrays> found = load(directory_, key)) return std::move(*found);
    } catch (const Error& e) {
      log_->warning(path + ": " + e.what() + "; it is made anew");
    }
  }
  TokenArrays made = make();
  try {
    store(directory_, key, made);
  } catch (const std::exception& e) {  // of the disk and of the file system
    log_->warning(path + ": is not kept: " + e.what());
  }
  return made;
}

}  // namespace linnet::tools
