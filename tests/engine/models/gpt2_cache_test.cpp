// The key/value cache of GPT-2: the bytes of a recomputation, for any split and any company.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>

#include "engine/models/gpt2_session.h"
#include "tests/support/count_allocations.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_gpt2.h"

namespace linnet {
namespace {

constexpr const char* kConfig = R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
    "n_embd": 72, "n_layer": 3, "n_head": 4, "n_positions": 1024, "vocab_size": 131})";
constexpr std::int64_t kV = 131;

Gpt2Model load(const test::TempDir& dir, kernels::Isa isa) {
  LoadOptions options;
  options.isa = isa;
  return load_gpt2(weights::Checkpoint(dir.path()), options);
}

// Tokens of one sequence at the positions from `begin` on.
struct Sequence {
  std::vector<std::int32_t> tokens;
  explicit Sequence(std::size_t n, unsigned seed) : tokens(n) {
    std::mt19937 rng(seed);
    for (auto& t : tokens) t = static_cast<std::int32_t>(rng() % kV);
  }
};

// Several pieces of sequences, packed: (sequence, begin, end).
struct Piece {
  const Sequence* sequence;
  std::int64_t begin, end, place = 0;
};

// logits [R, V] of the pieces' tokens, or of those that are `wanted`.
std::vector<float> logits(Gpt2Session& session, KvCache* cache, const std::vector<Piece>& pieces,
                          FunctionRef<bool(std::int64_t)> wanted = {}) {
  std::vector<std::int32_t> tokens, positions;
  std::vector<std::int64_t> starts{0}, places, rows;
  for (const Piece& p : pieces) {
    for (std::int64_t t = p.begin; t < p.end; ++t) {
      tokens.push_back(p.sequence->tokens[static_cast<std::size_t>(t)]);
      positions.push_back(static_cast<std::int32_t>(t));
      const auto row = static_cast<std::int64_t>(tokens.size()) - 1;
      if (!wanted || wanted(row)) rows.push_back(row);
    }
    starts.push_back(static_cast<std::int64_t>(tokens.size()));
    places.push_back(p.place);
  }
  const auto R = static_cast<std::int64_t>(rows.size());
  std::vector<float> out(static_cast<std::size_t>(R * kV));
  CachePlaces cached;
  if (cache != nullptr) cached = {cache, places};
  session.run({tokens, positions, {}, starts}, cached,
              {.vocabulary_logits = {out.data(), R, kV, kV}, .vocabulary_rows = rows});
  return out;
}

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class Gpt2Cache : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new test::TempDir;
    test::write_random_gpt2(*dir_, kConfig);
  }
  static void TearDownTestSuite() { delete dir_; }
  static test::TempDir* dir_;
  const KvCacheShape shape_{4, 250, 3, 72, 4};
};
test::TempDir* Gpt2Cache::dir_ = nullptr;

TEST_F(Gpt2Cache, AnySplitGivesTheBytesOfOnePass) {
  const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
  Gpt2Session session(model, {.threads = 2});
  const Sequence s(200, 1);
  const std::vector<float> whole = logits(session, nullptr, {{&s, 0, 200}});
  std::mt19937 rng(2);
  for (const std::int64_t most : {1, 3, 17, 64, 199, 200}) {
    KvCache cache(shape_, shape_.bytes());
    std::vector<float> parts;
    for (std::int64_t begin = 0; begin < 200;) {
      const auto step = static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(most)) + 1;
      const std::int64_t end = std::min<std::int64_t>(200, begin + (most >= 199 ? most : step));
      const auto part = logits(session, &cache, {{&s, begin, end, 2}});
      parts.insert(parts.end(), part.begin(), part.end());
      begin = end;
    }
    EXPECT_EQ(cache.length(2), 200);
    EXPECT_TRUE(same_bytes(parts, whole)) << "at most " << most;
  }
}

// In INT8 too the bits depend on no split, level, thread or neighbour; they are near those of FP32.
TEST_F(Gpt2Cache, Int8GivesTheSameBytesForAnySplitAndLevel) {
  KvCacheShape shape = shape_;
  shape.type = CacheType::kInt8;
  EXPECT_LT(shape.bytes(), shape_.bytes() / 3);  // heads of 18 columns: 22 bytes instead of 72
  const Sequence s(200, 1), other(50, 9);
  std::vector<float> want;
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const Gpt2Model model = load(*dir_, isa);
    for (const int threads : {1, 3}) {
      Gpt2Session session(model, {.threads = threads});
      KvCache cache(shape, shape.bytes());
      std::vector<float> parts;
      const std::int64_t borders[] = {0, 7, 8, 90, 200};
      for (std::size_t i = 0; i < 4; ++i) {
        const std::int64_t begin = borders[i], end = borders[i + 1];
        const auto part =
            logits(session, &cache, {{&s, begin, end, 2}, {&other, begin / 5, end / 5 + 1, 0}});
        const auto mine = static_cast<std::ptrdiff_t>(end - begin);
        const auto V = static_cast<std::ptrdiff_t>(model.config.vocab_size);
        parts.insert(parts.end(), part.begin(), part.begin() + mine * V);
        cache.truncate(0, end / 5);
      }
      if (want.empty()) {
        KvCache again(shape, shape.bytes());
        want = logits(session, &again, {{&s, 0, 200, 1}});
        const std::vector<float> exact = logits(session, nullptr, {{&s, 0, 200}});
        EXPECT_FALSE(same_bytes(want, exact));
        double errors = 0, squares = 0;
        for (std::size_t i = 0; i < exact.size(); ++i) {
          errors += std::pow(double{want[i]} - double{exact[i]}, 2);
          squares += std::pow(double{exact[i]}, 2);
        }
        EXPECT_LT(std::sqrt(errors / squares), 0.1);
      }
      EXPECT_TRUE(same_bytes(parts, want)) << kernels::name(isa) << ", " << threads << " threads";
    }
  }
}

TEST_F(Gpt2Cache, Int8KeepsTheFormulaAndIsCopied) {
  const KvCacheShape shape{2, 20, 1, 6, 2, CacheType::kInt8};
  KvCache cache(shape, shape.bytes());
  std::vector<float> qkv(17 * 18);
  std::mt19937 rng(3);
  std::normal_distribution<float> normal;
  for (float& x : qkv) x = normal(rng);
  qkv[5 * 18 + 6] = std::numeric_limits<float>::infinity();  // key of head 0 of token 5
  std::fill_n(qkv.begin() + 7 * 18 + 12, 3, 0.0f);           // value of head 0 of token 7
  cache.append(0, 0, {qkv.data(), 17, 18, 18}, 1, 2);        // heads in any order
  cache.append(0, 0, {qkv.data(), 17, 18, 18}, 0, 1);
  cache.advance(0, 17);
  cache.copy(1, 0);
  std::vector<float> keys(17 * 6), values(17 * 6);
  cache.copy_keys(1, 0, {keys.data(), 17, 6, 6});
  cache.copy_values(1, 0, {values.data(), 17, 6, 6});
  for (std::size_t t = 0; t < 17; ++t) {
    for (std::size_t h = 0; h < 2; ++h) {
      for (const bool key : {true, false}) {
        const float* x = qkv.data() + t * 18 + (key ? 6 : 12) + 3 * h;
        const float* got = (key ? keys : values).data() + t * 6 + 3 * h;
        const float amax = std::max({std::abs(x[0]), std::abs(x[1]), std::abs(x[2])});
        for (std::size_t d = 0; d < 3; ++d) {
          if (std::isinf(amax)) {
            EXPECT_TRUE(std::isnan(got[d])) << t;
          } else {
            const float q = amax > 0 ? std::nearbyint(x[d] * (127 / amax)) : 0;
            EXPECT_EQ(got[d], q * (amax / 127)) << t << " " << h << " " << d;
          }
        }
      }
    }
  }
}

TEST_F(Gpt2Cache, PassesOfFewTokensCutAPrompt) {
  // A session keeps activations for n_positions tokens at least: 4 sequences of 900 take 4 passes.
  const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
  Gpt2Session session(model, {.threads = 2, .tokens_per_pass = 1});
  const KvCacheShape shape{3, 1000, 3, 72, 4};
  KvCache cache(shape, shape.bytes());
  const Sequence a(900, 3), b(901, 4), c(5, 5);
  const auto got = logits(session, &cache, {{&a, 0, 900, 2}, {&b, 0, 901, 0}, {&c, 0, 5, 1}});
  auto want = logits(session, nullptr, {{&a, 0, 900}});
  for (const auto& more :
       {logits(session, nullptr, {{&b, 0, 901}}), logits(session, nullptr, {{&c, 0, 5}})}) {
    want.insert(want.end(), more.begin(), more.end());
  }
  EXPECT_TRUE(same_bytes(got, want));
}

// The last block computes wanted tokens only: their bytes are those of all tokens, whether every
// hidden state is asked for beside them or not, and the cache goes on the same.
TEST_F(Gpt2Cache, UnwantedTokensChangeNothing) {
  const Sequence a(900, 3), b(700, 4), c(5, 5);
  const std::vector<Piece> pieces{{&a, 0, 900, 2}, {&b, 0, 700, 0}, {&c, 0, 5, 1}};
  const KvCacheShape shape{3, 1000, 3, 72, 4};
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const Gpt2Model model = load(*dir_, isa);
    Gpt2Session session(model, {.threads = 2, .tokens_per_pass = 1});  // three passes
    KvCache cache(shape, shape.bytes());
    const auto all = logits(session, &cache, pieces);
    for (const std::int64_t step : {1601, 890, 7, 1}) {
      const auto wanted = [&](std::int64_t row) { return row % step == step - 1; };
      std::vector<float> want;
      for (std::int64_t row = 0; row < 1605; ++row) {
        if (wanted(row))
          want.insert(want.end(), &all[std::size_t(row * kV)], &all[std::size_t(row * kV)] + kV);
      }
      KvCache fresh(shape, shape.bytes());
      EXPECT_TRUE(same_bytes(logits(session, &fresh, pieces, wanted), want)) << step;
      for (const std::int64_t place : {0, 1, 2}) {
        EXPECT_EQ(fresh.length(place), cache.length(place));
        std::vector<float> got(std::size_t(cache.length(place) * 72)), is(got.size());
        for (const std::int64_t layer : {0, 1, 2}) {
          cache.copy_values(place, layer, {is.data(), cache.length(place), 72, 72});
          fresh.copy_values(place, layer, {got.data(), cache.length(place), 72, 72});
          EXPECT_TRUE(same_bytes(got, is)) << step;
        }
      }
    }
    int seen = 0;
    const auto look = [&](std::int64_t, std::int64_t, Mat<const float> x) {
      seen += static_cast<int>(x.rows);
    };
    const auto last = [](std::int64_t row) { return row == 6; };
    const auto want = logits(session, nullptr, {{&a, 0, 7}}, last);
    session.observe(look);
    EXPECT_TRUE(same_bytes(logits(session, nullptr, {{&a, 0, 7}}, last), want));
    session.observe({});
    EXPECT_EQ(seen, 4 * 7);
  }
}

TEST_F(Gpt2Cache, CompanyAndThreadsAndLevelsChangeNothing) {
  const Gpt2Model model = load(*dir_, kernels::Isa::kReference);
  Gpt2Session alone(model);
  const std::vector<Sequence> s{Sequence(40, 6), Sequence(33, 7), Sequence(47, 8)};
  std::vector<std::vector<float>> want;
  for (const Sequence& one : s) {
    want.push_back(logits(alone, nullptr, {{&one, 0, std::int64_t(one.tokens.size())}}));
  }
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const Gpt2Model same = load(*dir_, isa);
    for (const int threads : {1, 3}) {
      Gpt2Session session(same, {.threads = threads});
      KvCache cache(shape_, shape_.bytes());
      std::vector<std::vector<float>> got(3);
      // They join at steps 0, 1 and 2, and leave as they end.
      for (std::int64_t step = 0; step < 50; ++step) {
        std::vector<Piece> pieces;
        std::vector<std::size_t> who;
        for (std::size_t i = 0; i < 3; ++i) {
          const auto n = static_cast<std::int64_t>(s[i].tokens.size());
          const std::int64_t begin = cache.length(std::int64_t(i));
          if (step < std::int64_t(i) || begin == n) continue;
          pieces.push_back({&s[i], begin, begin == 0 ? 9 : begin + 1, std::int64_t(i)});
          who.push_back(i);
        }
        if (pieces.empty()) continue;
        const auto out = logits(session, &cache, pieces);
        auto from = out.begin();
        for (std::size_t p = 0; p < pieces.size(); ++p) {
          const auto n = (pieces[p].end - pieces[p].begin) * kV;
          got[who[p]].insert(got[who[p]].end(), from, from + n);
          from += n;
        }
      }
      for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(same_bytes(got[i], want[i]))
            << kernels::name(isa) << " threads " << threads << " sequence " << i;
      }
    }
  }
}

TEST_F(Gpt2Cache, CopiesAndTruncatedPlacesGoOnAsTheirTokensSay) {
  const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
  Gpt2Session session(model);
  KvCache cache(shape_, shape_.bytes());
  const Sequence s(30, 9);
  logits(session, &cache, {{&s, 0, 20, 0}});
  cache.copy(3, 0);
  const auto first = logits(session, &cache, {{&s, 20, 30, 0}});
  const auto copied = logits(session, &cache, {{&s, 20, 30, 3}});
  EXPECT_TRUE(same_bytes(first, copied));
  cache.truncate(0, 11);
  const auto again = logits(session, &cache, {{&s, 11, 30, 0}});
  EXPECT_TRUE(same_bytes({again.begin() + 9 * kV, again.end()}, first));
}

TEST_F(Gpt2Cache, AllocatesNothing) {
  if (!test::kCountsAllocations) GTEST_SKIP() << "sanitizers bring their own operator new";
  const Gpt2Model model = load(*dir_, kernels::supported_isas().back());
  Gpt2Session session(model, {.threads = 2});
  KvCache cache(shape_, shape_.bytes());
  const Sequence s(40, 12);
  std::vector<std::int32_t> positions(s.tokens.size());
  std::iota(positions.begin(), positions.end(), 0);
  const std::vector<std::int64_t> starts{0, 25, 40}, places{2, 0}, rows{24, 39};
  for (std::size_t t = 25; t < 40; ++t) positions[t] -= 25;
  std::vector<float> logits(2 * kV);
  const auto step = [&] {
    session.run({s.tokens, positions, {}, starts}, {&cache, places},
                {.vocabulary_logits = {logits.data(), 2, kV, kV}, .vocabulary_rows = rows});
  };
  step();  // starts the workers
  for (const std::int64_t place : places) cache.truncate(place, 0);
  EXPECT_EQ(test::count_allocations(step), 0);
}

// Bytes of this process that the system may not take from memory.
std::int64_t locked_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmLck:")) return std::stoll(line.substr(6)) * 1024;
  }
  return 0;
}

TEST_F(Gpt2Cache, TheModelIsLockedWhenThatIsAskedFor) {
  if (!test::kCountsAllocations) GTEST_SKIP() << "sanitizers lock nothing";
  LoadOptions options;
  options.lock_in_memory = true;
  const std::int64_t before = locked_bytes();
  try {
    const Gpt2Model model = load_gpt2(weights::Checkpoint(dir_->path()), options);
    EXPECT_GE(locked_bytes() - before, model.parameters.bytes());
  } catch (const Error& e) {
    ASSERT_EQ(e.code(), ErrorCode::kLimit) << e.what();
    GTEST_SKIP() << e.what();
  }
}

TEST_F(Gpt2Cache, RefusesWhatHasNoRoom) {
  const test::TempDir& dir = *dir_;
  const Gpt2Model model = load(dir, kernels::supported_isas().back());
  Gpt2Session session(model);
  EXPECT_NE(test::error_of(ErrorCode::kLimit, [&] { KvCache(shape_, shape_.bytes() - 1); })
                .find("the budget is " + std::to_string(shape_.bytes() - 1)),
            std::string::npos);
  test::error_of(ErrorCode::kLimit, [] { KvCache({1 << 30, 1 << 30, 512, 512, 8}, 1 << 30); });
  KvCache cache(shape_, shape_.bytes());
  const Sequence s(1025, 10);
  logits(session, &cache, {{&s, 0, 240, 1}});
  EXPECT_NE(test::error_of(ErrorCode::kLimit,
                           [&] {
                             logits(session, &cache, {{&s, 240, 257, 1}});
                           })
                .find("257 tokens, expected at most 250"),
            std::string::npos);
  EXPECT_EQ(cache.length(1), 240);
  const auto code = ErrorCode::kInvalidArgument;
  test::error_of(code, [&] { logits(session, &cache, {{&s, 0, 1, 4}}); });
  test::error_of(code, [&] { logits(session, &cache, {{&s, 0, 1, -1}}); });
  test::error_of(code, [&] { logits(session, &cache, {{&s, 0, 1, 2}, {&s, 0, 1, 2}}); });
  test::error_of(code, [&] { logits(session, nullptr, {{&s, 0, 1025}}); });
  KvCache other({1, 8, 2, 72, 4}, 1 << 20);
  test::error_of(code, [&] { logits(session, &other, {{&s, 0, 1, 0}}); });
}

}  // namespace
}  // namespace linnet
