#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "tokenizer/utf8.h"

namespace linnet::test {

/// Random texts that look for trouble: words of the vocabulary and parts of them, special tokens,
/// marks, white space of every kind, characters that the normalizer drops, splits, moves or
/// doubles.
class TextGenerator {
 public:
  explicit TextGenerator(std::uint32_t seed) : rng_(seed) {}

  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(rng_()) % n; }

  /// Valid UTF-8 of up to `most` pieces.
  std::string text(std::uint32_t most) {
    std::string out;
    for (std::uint32_t n = below(most + 1); n > 0; --n) add_piece(out);
    return out;
  }

  /// Any bytes: a text with some of them changed, dropped or put in.
  std::string bytes(std::uint32_t most) {
    std::string out = text(most);
    for (std::uint32_t n = below(4); n > 0 && !out.empty(); --n) {
      const std::size_t at = below(static_cast<std::uint32_t>(out.size()));
      const char byte = static_cast<char>(below(256));
      switch (below(3)) {
        case 0:
          out[at] = byte;
          break;
        case 1:
          out.erase(at, 1 + below(3));
          break;
        default:
          out.insert(at, 1 + below(3), byte);
      }
    }
    return out;
  }

 private:
  static constexpr std::array<std::string_view, 62> kPieces{"a",
                                                            "b",
                                                            "ab",
                                                            "hello",
                                                            "Hello",
                                                            "world",
                                                            "unwanted",
                                                            "running",
                                                            "##ing",
                                                            "mask",
                                                            "[MASK]",
                                                            "[mask]",
                                                            "[SEP]",
                                                            "[",
                                                            "]",
                                                            "résumé",
                                                            "re\xCC\x81sume\xCC\x81",
                                                            "中",
                                                            "文",
                                                            "İ",
                                                            "ı",
                                                            "ẞ",
                                                            "Σ",
                                                            "ǅ",
                                                            "K",
                                                            "\xEA\xB0\x81",
                                                            "が",
                                                            "हिन्दी",
                                                            "กี่",
                                                            "Việt",
                                                            "ﬁ",
                                                            "½",
                                                            "😀",
                                                            "👨‍👩‍👧",
                                                            "🇩🇪",
                                                            " ",
                                                            "  ",
                                                            "\t",
                                                            "\n",
                                                            "\r\n",
                                                            "\v",
                                                            "\xC2\x85",
                                                            "\xC2\xA0",
                                                            "\xE3\x80\x80",
                                                            "\xE2\x80\xA8",
                                                            "\x1C",
                                                            "\xC2\xAD",
                                                            "\xE2\x80\x8B",
                                                            "\xEF\xBB\xBF",
                                                            "\xEF\xBF\xBD",
                                                            "\xCC\x81",
                                                            "\xE0\xA2\x98",
                                                            "\xF0\x9D\x85\xAD",
                                                            "\xF0\x9D\x85\xA5",
                                                            "'",
                                                            "don't",
                                                            ".",
                                                            "...",
                                                            "$",
                                                            "<x>",
                                                            "zz",
                                                            "antidisestablishmentarianism"};

  char32_t any_character() {
    for (;;) {
      const char32_t c = below(0x110000);
      if (c < 0xD800 || c > 0xDFFF) return c;
    }
  }

  void add_word(std::string& out) {
    for (std::uint32_t n = 1 + below(below(8) == 0 ? 120 : 14); n > 0; --n) {
      out.push_back(static_cast<char>((below(3) == 0 ? 'A' : 'a') + below(4)));
    }
  }

  void add_piece(std::string& out) {
    switch (below(8)) {
      case 0:
        return tokenizer::utf8::append(out, any_character());
      case 1:  // the scripts that have cases and marks
        return tokenizer::utf8::append(out, below(0x600));
      case 2:
        return add_word(out);
      case 3:
        return out.push_back(' ');
      case 4:
        return out.push_back(static_cast<char>(below(128)));
      default:
        out += kPieces[below(kPieces.size())];
    }
  }

  std::mt19937 rng_;
};

}  // namespace linnet::test
