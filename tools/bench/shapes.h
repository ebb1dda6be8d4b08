#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

// The shapes that the benchmarks share, by the model they come from.
namespace linnet::bench {

/// y [M, N] = x [M, K]·Wᵀ for one layer.
struct Product {
  std::int64_t N, K;
};

inline constexpr std::array<Product, 4> kBertBase = {
    {{768, 768}, {2304, 768}, {3072, 768}, {768, 3072}}};  // output, q|k|v, intermediate, output
inline constexpr std::array<Product, 4> kMiniLm = {
    {{384, 384}, {1152, 384}, {1536, 384}, {384, 1536}}};
/// The logits of GPT-2.
inline constexpr Product kVocabulary = {50257, 768};
/// The layers of bert-base, and the vocabulary.
inline constexpr std::array<Product, 5> kGpt2 = {kBertBase[0], kBertBase[1], kBertBase[2],
                                                 kBertBase[3], kVocabulary};

/// Both encoders, widest model first.
inline constexpr std::array<Product, 8> kProducts = {kBertBase[0], kBertBase[1], kBertBase[2],
                                                     kBertBase[3], kMiniLm[0],   kMiniLm[1],
                                                     kMiniLm[2],   kMiniLm[3]};

struct NamedProducts {
  std::string_view name;
  std::span<const Product> products;
};
inline constexpr std::array<NamedProducts, 4> kNamedProducts = {
    {{"bert-base", kBertBase}, {"distilbert", kBertBase}, {"minilm", kMiniLm}, {"gpt2", kGpt2}}};

/// Rows of a product: one token, few, a sentence, a batch.
inline constexpr std::array<std::int64_t, 6> kRows = {1, 8, 32, 128, 512, 2048};

}  // namespace linnet::bench
