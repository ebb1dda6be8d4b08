#pragma once

#include "engine/tasks/sequence_logits.h"
#include "tools/commands/common.h"
#include "tools/embed/options.h"

// Options of the commands that give whole texts or pairs a score: classify, rerank, zero-shot.
namespace linnet::commands {

inline constexpr Option kTextPairColumn{.name = "text-pair-column",
                                        .kind = Kind::kText,
                                        .value = "NAME",
                                        .help = "Column or key of the second text of a pair."};

/// --max-length, --no-truncate, --invalid-utf8, --no-parse-special.
inline SequenceOptions sequence_options(const cli::Arguments& args) {
  SequenceOptions options;
  options.max_length = args.maybe_integer(kMaxLength);
  if (args.flag(kNoTruncate)) options.too_long = TooLong::kRefuse;
  options.encode = encode_options(args);
  return options;
}

}  // namespace linnet::commands
