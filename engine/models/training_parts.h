#pragma once

#include "engine/core/function_ref.h"
#include "engine/core/layout.h"
#include "engine/models/training.h"
#include "engine/ops/dense.h"
#include "engine/ops/layer_norm_bwd.h"

// What the passes of different models have in common.
//
//   T tokens   B sequences   R chosen rows   D model width   C classes
namespace linnet {

/// Places of dropout in a layer; those of the embeddings and of the head belong to layers 0 and
/// L + 1, layer i to i + 1.
enum Site : std::uint32_t { kEmbeddings, kProbabilities, kAttentionBranch, kFeedForwardBranch };
/// The layer of dropout in heads is above all others.
constexpr std::uint32_t kClassifierSite = 0;

/// Logits over a vocabulary are taken for so many labelled tokens at a time: 256 x 30,522 floats
/// are 31 MB.
constexpr std::int64_t kVocabularyRows = 256;

/// The first `rows` rows of a matrix's memory, `cols` wide.
inline Mat<float> first(Mat<float> m, std::int64_t rows, std::int64_t cols) {
  return {m.data, rows, cols, cols};
}

/// mean and rstd of up to so many rows.
NormRows norm_rows(Layout& layout, std::int64_t rows);

/// Floats of scratch for the products of a layer [N, K] on up to T rows.
std::int64_t product_floats(const kernels::KernelTable& kernels, int threads, Precision precision,
                            std::int64_t T, std::int64_t N, std::int64_t K);

/// Sets so many bytes to 0, on all threads.
void clear(const Context& ctx, void* to, std::int64_t bytes);

/// Rows of tokens: chosen[r] = x[rows[r]], and back: d[rows[r]] += chosen[r].
void gather(Mat<float> chosen, Mat<const float> x, std::span<const std::int64_t> rows);
void scatter(Mat<float> d, Mat<const float> chosen, std::span<const std::int64_t> rows);

/// Σ part(first, count) over parts of at most `most` of `n` rows, in their order.
double sum_over_parts(std::size_t n, std::int64_t most,
                      FunctionRef<double(std::size_t, std::size_t)> part);

/// The gradient that goes into a branch y + dropout(branch): that of the sum, d [T, D], dropped as
/// the branch was; in `dropped` where there is dropout.
Mat<float> into_branch(const Context& ctx, Mat<float> d, Mat<float> dropped, const Batch& batch,
                       const DropoutSite& site, const DropoutStep& step);

/// The loss of the logits of sequences [B, C]: squares for regression, binary cross-entropy for
/// several labels at once, else cross-entropy. `logits` becomes its gradient.
double sequence_loss(const Context& ctx, Mat<float> logits, const CommonConfig& model,
                     const TrainingPass& pass, Mat<double> row_losses);

/// The loss of the logits of tokens [T, C]: spans of a question answering head, else cross-entropy.
/// `logits` becomes its gradient.
double token_loss(const Context& ctx, Mat<float> logits, HeadKind head, const Batch& batch,
                  const TrainingPass& pass, Mat<double> row_losses);

/// Where the loss of a teacher is computed: row `from` of its logits belongs to the first row.
struct Distilled {
  const Teacher& teacher;
  std::int64_t from;
  double rows;             // of the whole optimizer step, by which KL is divided
  Mat<float> soft;         // [R, C] scratch
  Mat<double> row_losses;  // [1, R] scratch
};
/// The loss of logits [R, C] of which a teacher's logits tell more: hard · loss_of_labels() +
/// kl · KL. loss_of_labels() turns `logits` into their gradient; so does this. Without a teacher's
/// logits it is the loss of the labels.
double distilled_loss(const Context& ctx, Mat<float> logits, const Distilled& how,
                      FunctionRef<double()> loss_of_labels);

/// cosine · (1 - cos) of the last hidden states [T, D] and the teacher's; its gradient is added to
/// d. `scratch` holds [T, D]. 0 without a teacher.
double cosine_loss(const Context& ctx, Mat<float> d, Mat<float> scratch, Mat<const float> hidden,
                   const TrainingPass& pass);

}  // namespace linnet
