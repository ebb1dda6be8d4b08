#pragma once

#include <cstdint>

#include "engine/core/mat.h"

namespace linnet {

/// How near the embeddings of one model are to those of another.
struct EmbeddingAgreement {
  double mean_cosine = 0;  // of the two embeddings of a text
  double least_cosine = 0;
  double low_cosine = 0;  // 1 % of the texts are below it (the rank floor(texts / 100) from 0)
  /// Share of the texts whose nearest other text by cosine is the same one; ties go to the lower
  /// row.
  double neighbours_kept = 0;
  /// Spearman's correlation of the cosines of all pairs of texts, ranks of ties averaged.
  double spearman = 0;
};

/// a and b [texts, D], rows of any length above 0. Throws kInvalidArgument for fewer than three
/// rows or other sizes, kNumeric for values that are not finite and for rows of zeros.
EmbeddingAgreement compare_embeddings(Mat<const float> a, Mat<const float> b);

}  // namespace linnet
