#include "tokenizer/assemble.h"

#include <limits>
#include <string>

#include "tokenizer/error.h"

namespace linnet::tokenizer {
namespace {

using Kind = TemplatePiece::Kind;

std::int64_t size(const Tokens& tokens) { return static_cast<std::int64_t>(tokens.ids.size()); }

template <class T>
void append_range(std::vector<T>& out, const std::vector<T>& in, Window w) {
  out.insert(out.end(), in.begin() + w.begin, in.begin() + w.end);
}

template <class T>
void append_all(std::vector<T>& out, const std::vector<T>& in) {
  out.insert(out.end(), in.begin(), in.end());
}

void append_specials(const TemplatePiece& piece, Encoding& out) {
  const std::size_t n = piece.ids.size();
  append_all(out.ids, piece.ids);
  out.type_ids.insert(out.type_ids.end(), n, piece.type_id);
  out.special_tokens_mask.insert(out.special_tokens_mask.end(), n, 1);
  out.offsets.insert(out.offsets.end(), n, Span{});
  out.word_ids.insert(out.word_ids.end(), n, -1);
  out.sequence_ids.insert(out.sequence_ids.end(), n, -1);
}

void append_tokens(const TemplatePiece& piece, const Tokens& tokens, Window w, Encoding& out) {
  const auto n = static_cast<std::size_t>(w.end - w.begin);
  append_range(out.ids, tokens.ids, w);
  append_range(out.offsets, tokens.spans, w);
  if (n > 0 && !tokens.first_spans.empty()) {
    out.offsets[out.offsets.size() - n] = tokens.first_spans[static_cast<std::size_t>(w.begin)];
  }
  append_range(out.word_ids, tokens.words, w);
  if (!tokens.texts.empty()) append_range(out.tokens, tokens.texts, w);
  out.type_ids.insert(out.type_ids.end(), n, piece.type_id);
  out.special_tokens_mask.insert(out.special_tokens_mask.end(), n, 0);
  out.sequence_ids.insert(out.sequence_ids.end(), n,
                          static_cast<std::int8_t>(piece.kind == Kind::kFirst ? 0 : 1));
}

// One window of each text with the specials around.
Encoding join(const Plan& plan, const Tokens& first, Window a, const Tokens& second, Window b) {
  Encoding out;
  for (const TemplatePiece& piece : plan.pieces) {
    if (piece.kind == Kind::kSpecial) {
      if (!plan.options.add_special_tokens) continue;
      append_specials(piece, out);
      if (plan.options.tokens) append_all(out.tokens, piece.tokens);
    } else if (piece.kind == Kind::kFirst) {
      append_tokens(piece, first, a, out);
    } else {
      append_tokens(piece, second, b, out);
    }
  }
  out.attention_mask.assign(out.ids.size(), 1);
  return out;
}

KeptLengths kept_lengths(const Plan& plan, const Tokens& first, const Tokens& second) {
  return truncate(plan.options.truncation, plan.texts, size(first), size(second), plan.room);
}

}  // namespace

Plan::Plan(const PostProcessor& post_processor, const EncodeOptions& encode_options, Texts which)
    : pieces(post_processor.pieces(which)),
      options(encode_options),
      texts(which),
      room(std::numeric_limits<std::int64_t>::max()) {
  if (options.truncation == Truncation::kNone) return;
  if (!options.max_length) {
    throw TokenizerError(Reason::kMaxLengthMissing, "truncation: max_length is missing");
  }
  const std::int64_t added = options.add_special_tokens ? post_processor.added(texts) : 0;
  if (*options.max_length < added) {
    throw TokenizerError(Reason::kMaxLengthBelowAddedTokens,
                         "truncation: max_length " + std::to_string(*options.max_length) +
                             ", expected at least the " + std::to_string(added) +
                             " special tokens that are added");
  }
  room = *options.max_length - added;
}

Encoding assemble(const Plan& plan, const Tokens& first, const Tokens& second) {
  const KeptLengths kept = kept_lengths(plan, first, second);
  const EncodeOptions& o = plan.options;
  const auto a = windows(size(first), kept.first, o.stride, o.truncation_side);
  const auto b = windows(size(second), kept.second, o.stride, o.truncation_side);
  Encoding result = join(plan, first, a[0], second, b[0]);
  if (o.return_overflow) {
    for (std::size_t i = 1; i < a.size(); ++i) {
      for (const Window& w : b) result.overflow.push_back(join(plan, first, a[i], second, w));
    }
    for (std::size_t j = 1; j < b.size(); ++j) {
      result.overflow.push_back(join(plan, first, a[0], second, b[j]));
    }
  }
  return result;
}

void assemble_ids(const Plan& plan, const Tokens& first, const Tokens& second,
                  std::vector<std::int32_t>& ids, std::vector<std::int32_t>* type_ids) {
  const KeptLengths kept = kept_lengths(plan, first, second);
  const EncodeOptions& o = plan.options;
  const Window a = first_window(size(first), kept.first, o.stride, o.truncation_side);
  const Window b = first_window(size(second), kept.second, o.stride, o.truncation_side);
  for (const TemplatePiece& piece : plan.pieces) {
    const std::size_t before = ids.size();
    if (piece.kind == Kind::kSpecial) {
      if (o.add_special_tokens) append_all(ids, piece.ids);
    } else if (piece.kind == Kind::kFirst) {
      append_range(ids, first.ids, a);
    } else {
      append_range(ids, second.ids, b);
    }
    if (type_ids != nullptr) type_ids->insert(type_ids->end(), ids.size() - before, piece.type_id);
  }
}

}  // namespace linnet::tokenizer
