#include "engine/tasks/entity_score.h"

#include <algorithm>
#include <limits>

#include "engine/core/assert.h"

namespace linnet {
namespace {

struct Tag {
  char prefix = 'O';
  std::string_view type;
};

Tag parse(std::string_view text) {
  if (text.empty() || text == "O") return {};
  const bool prefixed =
      text.size() > 1 && text[1] == '-' && std::string_view("BIES").find(text[0]) != text.npos;
  return prefixed ? Tag{text[0], text.substr(2)} : Tag{'I', text};
}

bool begins(const Tag& before, const Tag& tag) {
  if (tag.prefix == 'O') return false;
  if (tag.prefix == 'B' || tag.prefix == 'S') return true;
  const bool open = before.prefix == 'B' || before.prefix == 'I';
  return !open || before.type != tag.type;
}

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<TagSpan> tag_spans(std::span<const std::string_view> tags) {
  std::vector<TagSpan> spans;
  Tag before;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const Tag tag = parse(tags[i]);
    const auto at = static_cast<std::int64_t>(i);
    if (begins(before, tag)) {
      spans.push_back({at, at + 1, tag.type});
    } else if (tag.prefix != 'O') {
      spans.back().end = at + 1;
    }
    before = tag;
  }
  return spans;
}

void EntityScore::add(std::span<const std::string_view> answered,
                      std::span<const std::string_view> gold) {
  LINNET_ASSERT(answered.size() == gold.size());
  for (std::size_t i = 0; i < gold.size(); ++i) right_words_ += answered[i] == gold[i] ? 1 : 0;
  words_ += static_cast<std::int64_t>(gold.size());
  const std::vector<TagSpan> found = tag_spans(answered), wanted = tag_spans(gold);
  answered_ += static_cast<std::int64_t>(found.size());
  gold_ += static_cast<std::int64_t>(wanted.size());
  right_ += std::count_if(found.begin(), found.end(), [&](const TagSpan& span) {
    return std::find(wanted.begin(), wanted.end(), span) != wanted.end();
  });
}

double EntityScore::precision() const { return share(right_, answered_); }
double EntityScore::recall() const { return share(right_, gold_); }
double EntityScore::f1() const { return share(2 * right_, answered_ + gold_); }
double EntityScore::accuracy() const {
  return words_ == 0 ? std::numeric_limits<double>::quiet_NaN() : share(right_words_, words_);
}

}  // namespace linnet
