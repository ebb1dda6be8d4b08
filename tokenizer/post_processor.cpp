#include "tokenizer/post_processor.h"

namespace linnet::tokenizer {

std::int64_t PostProcessor::added(Texts texts) const {
  std::int64_t count = 0;
  for (const TemplatePiece& piece : pieces(texts)) {
    count += static_cast<std::int64_t>(piece.ids.size());
  }
  return count;
}

}  // namespace linnet::tokenizer
