#pragma once

#include <cstdint>
#include <span>

// Scores of answers, with the definitions of scikit-learn and scipy. In double, no libm but sqrt.
namespace linnet {

/// The share of equal elements; NaN of none.
double accuracy(std::span<const std::int64_t> answers, std::span<const std::int64_t> labels);

/// 2·tp / (2·tp + fp + fn) of class `positive`; 0 when that class appears nowhere.
double f1_score(std::span<const std::int64_t> answers, std::span<const std::int64_t> labels,
                std::int64_t positive = 1);

/// The mean f1_score of the classes that answers or labels have; NaN of none.
double macro_f1(std::span<const std::int64_t> answers, std::span<const std::int64_t> labels,
                std::int64_t classes);

/// Several labels at once: answers[i·classes + c] and labels hold 0 or 1.
struct MultiLabelScores {
  double accuracy = 0;  // share of rows with every label right; NaN of none
  double f1_micro = 0;  // f1_score over all labels together
  double f1_macro = 0;  // mean f1_score of all classes
};
MultiLabelScores multi_label_scores(std::span<const std::int64_t> answers,
                                    std::span<const std::int64_t> labels, std::int64_t classes);

/// Matthews' correlation coefficient for any number of classes; 0 when answers or labels are all of
/// one class. Source: R_K statistic, Gorodkin 2004.
double matthews(std::span<const std::int64_t> answers, std::span<const std::int64_t> labels,
                std::int64_t classes);

/// Pearson's correlation; NaN when one side is constant.
double pearson(std::span<const double> x, std::span<const double> y);

/// Pearson's correlation of the ranks, equal values sharing their mean rank.
double spearman(std::span<const double> x, std::span<const double> y);

}  // namespace linnet
