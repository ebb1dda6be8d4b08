#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace linnet::tokenizer {

/// A character after normalization and the bytes of the text it comes from.
struct NormChar {
  char32_t c;
  std::int32_t begin;
  std::int32_t end;
};

/// BertNormalizer: clean_text, handle_chinese_chars, strip_accents, lowercase, in this order, each
/// optional. With all of them off it only decodes: that is also what "no normalizer" means.
struct BertNormalizer {
  bool clean_text = false;
  bool handle_chinese_chars = false;
  bool strip_accents = false;  ///< resolved: null in a file means "as lowercase"
  bool lowercase = false;

  /// Working memory of normalize.
  struct Scratch {
    struct Mark {
      std::uint8_t combining_class;
      bool inserted;  ///< a further character of a decomposition
      char32_t c;
    };
    std::vector<Mark> run;         // a starter and what follows it, not yet in canonical order
    std::vector<NormChar> source;  // the characters the run was made from
  };

  /// Appends the normalized characters of text[begin, end), valid UTF-8, to `out`. A character that
  /// is dropped belongs to nobody's range. Canonical order moves characters, not ranges: the k-th
  /// character of a run gets the k-th range, as in the reference.
  void normalize(std::string_view text, std::int64_t begin, std::int64_t end, Scratch& scratch,
                 std::vector<NormChar>& out) const;
};

}  // namespace linnet::tokenizer
