#include "engine/models/training_parts.h"

#include <algorithm>
#include <cstring>

#include "engine/ops/add.h"

namespace linnet {

NormRows norm_rows(Layout& l, std::int64_t rows) { return {l.mat(1, rows), l.mat(1, rows)}; }

std::int64_t product_floats(const kernels::KernelTable& kernels, int threads, Precision precision,
                            std::int64_t T, std::int64_t N, std::int64_t K) {
  return precision == Precision::kBfloat16 ? dense_scratch_floats_bf16(threads, T, N, K)
                                           : dense_scratch_floats(kernels, threads, N, K);
}

void clear(const Context& ctx, void* to, std::int64_t bytes) {
  parallel_for(ctx.threads, bytes, 1 << 20, [&](std::int64_t begin, std::int64_t end, int) {
    std::memset(static_cast<std::byte*>(to) + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

void gather(Mat<float> chosen, Mat<const float> x, std::span<const std::int64_t> rows) {
  for (std::int64_t r = 0; r < chosen.rows; ++r) {
    std::copy_n(x.row(rows[static_cast<std::size_t>(r)]), x.cols, chosen.row(r));
  }
}

void scatter(Mat<float> d, Mat<const float> chosen, std::span<const std::int64_t> rows) {
  for (std::int64_t r = 0; r < chosen.rows; ++r) {
    float* to = d.row(rows[static_cast<std::size_t>(r)]);
    for (std::int64_t i = 0; i < d.cols; ++i) to[i] += chosen.row(r)[i];
  }
}

double sum_over_parts(std::size_t n, std::int64_t most,
                      FunctionRef<double(std::size_t, std::size_t)> part) {
  const auto step = static_cast<std::size_t>(most);
  double sum = 0;
  for (std::size_t from = 0; from < n; from += step) sum += part(from, std::min(step, n - from));
  return sum;
}

Mat<float> into_branch(const Context& ctx, Mat<float> d, Mat<float> dropped, const Batch& batch,
                       const DropoutSite& site, const DropoutStep& step) {
  if (site.probability == 0) return d;
  const Mat<float> branch = first(dropped, d.rows, d.cols);
  std::copy_n(d.data, d.rows * d.cols, branch.data);
  dropout(ctx, branch, batch, site, step);
  return branch;
}

double sequence_loss(const Context& ctx, Mat<float> logits, const CommonConfig& model,
                     const TrainingPass& pass, Mat<double> row_losses) {
  const TrainingTargets& t = pass.targets;
  if (t.values.empty()) {
    return cross_entropy(ctx, logits, logits, t.labels, {pass.smoothing, pass.divisors.labels},
                         row_losses);
  }
  const bool regression = model.problem_type == ProblemType::kRegression ||
                          (model.problem_type == ProblemType::kUnset && logits.cols == 1);
  return (regression ? mean_squared_error : binary_cross_entropy)(logits, logits, t.values,
                                                                  pass.divisors.labels);
}

double token_loss(const Context& ctx, Mat<float> logits, HeadKind head, const Batch& batch,
                  const TrainingPass& pass, Mat<double> row_losses) {
  if (head == HeadKind::kQuestionAnswering) {
    return span_cross_entropy(ctx, logits, logits, batch, pass.targets.spans, pass.smoothing,
                              {pass.divisors.starts, pass.divisors.ends});
  }
  return cross_entropy(ctx, logits, logits, pass.targets.labels,
                       {pass.smoothing, pass.divisors.labels}, row_losses);
}

double distilled_loss(const Context& ctx, Mat<float> logits, const Distilled& how,
                      FunctionRef<double()> loss_of_labels) {
  const Teacher& teacher = how.teacher;
  if (teacher.logits.data == nullptr) return loss_of_labels();
  LINNET_ASSERT(logits.ld == logits.cols && how.soft.ld == how.soft.cols);
  const double kl = distillation(ctx, how.soft, logits,
                                 teacher.logits.slice_rows(how.from, how.from + logits.rows),
                                 {teacher.temperature, how.rows}, how.row_losses);
  const double hard = loss_of_labels();
  const auto hard_weight = static_cast<float>(teacher.hard),
             kl_weight = static_cast<float>(teacher.kl);
  for (std::int64_t i = 0; i < logits.rows * logits.cols; ++i) {
    logits.data[i] = hard_weight * logits.data[i] + kl_weight * how.soft.data[i];
  }
  return teacher.hard * hard + teacher.kl * kl;
}

double cosine_loss(const Context& ctx, Mat<float> d, Mat<float> scratch, Mat<const float> hidden,
                   const TrainingPass& pass) {
  const Teacher& teacher = pass.teacher;
  if (teacher.hidden.data == nullptr) return 0;
  const Mat<float> dcosine = first(scratch, d.rows, d.cols);
  const double loss =
      cosine_distance(dcosine, hidden, teacher.hidden, pass.divisors.tokens / teacher.cosine);
  add(ctx, d, dcosine);
  return loss;
}

}  // namespace linnet
