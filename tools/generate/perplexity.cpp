#include "tools/generate/perplexity.h"

#include <algorithm>

#include "engine/core/math.h"
#include "tools/io/input_stream.h"
#include "weights/base/error.h"

namespace linnet::tools {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 31;
// Windows that go to the model together.
constexpr std::size_t kWindows = 256;
// Those of them that share a cache.
constexpr std::int64_t kPlaces = 16;

}  // namespace

double Perplexity::value() const { return math::exp(mean()); }

Perplexity measure_perplexity(Gpt2Session& session, std::span<const std::int32_t> ids,
                              const PerplexityOptions& options,
                              FunctionRef<void(std::int64_t token, double logprob)> scored) {
  const std::int64_t positions = session.model().config.n_positions;
  Perplexity r;
  r.tokens = static_cast<std::int64_t>(ids.size());
  r.max_length = options.max_length.value_or(positions);
  if (r.max_length > positions) {
    throw Error(ErrorCode::kInvalidArgument, "max-length: found " + std::to_string(r.max_length) +
                                                 ", the model has " + std::to_string(positions) +
                                                 " positions");
  }
  r.stride = options.stride.value_or(std::max<std::int64_t>(1, r.max_length / 2));
  const auto windows = strided_windows(r.tokens, r.max_length, r.stride, options.up_to);
  r.windows = static_cast<std::int64_t>(windows.size());
  std::optional<KvCache> cache;
  if (options.cache != CacheType::kFloat32) {
    const Gpt2Config& c = session.model().config;
    const KvCacheShape shape{kPlaces, r.max_length, c.n_layer, c.n_embd, c.n_head, options.cache};
    cache.emplace(shape, shape.bytes());
  }
  Likelihood likelihood(session, cache ? &*cache : nullptr);
  for (std::size_t w = 0; w < windows.size(); w += kWindows) {
    const auto some = std::span(windows).subspan(w, std::min(kWindows, windows.size() - w));
    likelihood.score(ids, some, [&](std::int64_t, std::int64_t token, double logprob) {
      ++r.scored;
      r.nll -= logprob;
      if (scored) scored(token, logprob);
    });
  }
  if (r.scored == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "the text has " + std::to_string(r.tokens) + " tokens, expected at least 2");
  }
  return r;
}

std::string read_text(const std::string& path) {
  io::InputStream in(path);
  std::string text;
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  for (std::size_t n = 1; n > 0;) {
    const std::size_t end = text.size();
    text.resize(end + kPiece);
    n = in.read(text.data() + end, kPiece);
    text.resize(end + n);
    if (static_cast<std::int64_t>(text.size()) > kMostBytes) {
      throw Error(ErrorCode::kLimit, path + ": more than " + std::to_string(kMostBytes) + " bytes");
    }
  }
  return text;
}

}  // namespace linnet::tools
