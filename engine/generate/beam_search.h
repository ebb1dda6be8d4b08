#pragma once

#include "engine/generate/generator.h"

namespace linnet {

/// Beam search for one prompt, with num_beams places of the cache: num_return_sequences sequences,
/// the best one first. A step extends every running beam by every token and keeps the best sums of
/// log-probabilities; those among the first num_beams that end are finished with the score
/// Σ log p / length ** length_penalty, and the best num_beams that do not end run on. Processors
/// act on log-probabilities, which are not normalised again.
/// Source: transformers 4.57, GenerationMixin._beam_search.
std::vector<GeneratedSequence> search_beams(NextLogits& next, KvCache& cache, std::int64_t V,
                                            std::span<const std::int32_t> prompt,
                                            std::int64_t new_tokens,
                                            const GenerationParameters& parameters);

}  // namespace linnet
