#include "tokenizer/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace linnet::tokenizer {
namespace {

using Mark = BertNormalizer::Scratch::Mark;

// The stages behind Chinese spacing, for one call of normalize.
class Pipe {
 public:
  Pipe(const BertNormalizer& n, BertNormalizer::Scratch& scratch, std::vector<NormChar>& out)
      : n_(n), table_(unicode::table()), run_(scratch.run), source_(scratch.source), out_(out) {
    run_.clear();
    source_.clear();
  }

  void put(NormChar in, std::uint16_t classes) {
    if (!n_.strip_accents) {
      lower(in, classes);
    } else if ((classes & unicode::kDecomposes) == 0) {
      flush();
      strip(in, classes);
      last_ = in;
    } else {
      decompose(in);
    }
  }

  // Brings the pending run into canonical order and passes it on.
  void flush() {
    if (run_.empty()) return;
    if (run_.size() > 1) {
      std::stable_sort(run_.begin(), run_.end(), [](const Mark& a, const Mark& b) {
        return a.combining_class < b.combining_class;
      });
    }
    auto source = source_.begin();
    for (const Mark& m : run_) {
      if (!m.inserted) last_ = *source++;
      strip({m.c, last_.begin, last_.end}, table_.classes(m.c));
    }
    run_.clear();
    source_.clear();
  }

 private:
  void decompose(NormChar in) {
    // 4 is the longest canonical decomposition of one character.
    std::array<utf8proc_int32_t, 8> parts;
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(in.c), parts.data(),
        static_cast<utf8proc_ssize_t>(parts.size()), UTF8PROC_DECOMPOSE, &boundary);
    // Where the source is needed before its run ends is only known at the next starter, so it
    // waits.
    bool inserted = false;
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const utf8proc_int32_t part = parts[static_cast<std::size_t>(i)];
      const auto combining_class =
          static_cast<std::uint8_t>(utf8proc_get_property(part)->combining_class);
      if (combining_class == 0) flush();
      if (!inserted) source_.push_back(in);
      run_.push_back({combining_class, inserted, static_cast<char32_t>(part)});
      inserted = true;
    }
  }

  void strip(NormChar in, std::uint16_t classes) {
    if ((classes & unicode::kNonspacingMark) == 0) lower(in, classes);
  }

  void lower(NormChar in, std::uint16_t classes) {
    if (n_.lowercase && (classes & unicode::kHasLower) != 0) {
      const bool dotted = in.c == unicode::kCapitalDottedI;
      in.c = unicode::lower(in.c);
      out_.push_back(in);
      if (!dotted) return;
      in.c = unicode::kDotAbove;
    }
    out_.push_back(in);
  }

  const BertNormalizer& n_;
  const unicode::Table& table_;
  std::vector<Mark>& run_;
  std::vector<NormChar>& source_;
  std::vector<NormChar>& out_;
  NormChar last_{};  // whose range a further character of a decomposition takes
};

}  // namespace

void BertNormalizer::normalize(std::string_view text, std::int64_t begin, std::int64_t end,
                               Scratch& scratch, std::vector<NormChar>& out) const {
  const unicode::Table& table = unicode::table();
  Pipe pipe(*this, scratch, out);
  for (std::int64_t at = begin; at < end;) {
    const std::int64_t next = at + utf8::length_of(text[static_cast<std::size_t>(at)]);
    NormChar in{utf8::decode(text, at), static_cast<std::int32_t>(at),
                static_cast<std::int32_t>(next)};
    at = next;
    std::uint16_t classes = table.classes(in.c);
    if (clean_text) {
      if ((classes & unicode::kCleanRemoves) != 0) continue;
      if ((classes & unicode::kWhitespace) != 0) {
        in.c = U' ';
        classes = unicode::kWhitespace;
      }
    }
    if (handle_chinese_chars && (classes & unicode::kChinese) != 0) {
      const NormChar space{U' ', in.begin, in.end};
      pipe.put(space, unicode::kWhitespace);
      pipe.put(in, classes);
      pipe.put(space, unicode::kWhitespace);
    } else {
      pipe.put(in, classes);
    }
  }
  pipe.flush();
}

}  // namespace linnet::tokenizer
