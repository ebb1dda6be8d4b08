#pragma once

#include <cstdint>
#include <span>

#include "engine/tasks/entity_score.h"
#include "engine/tasks/squad_score.h"
#include "tools/evaluate/scores.h"

// The scores of each task by their names, the same wherever a model is scored.
namespace linnet::tools {

/// accuracy; f1 of class 1, or macro_f1 of more than two classes; matthews_correlation.
void add_class_scores(Scores& scores, std::span<const std::int64_t> answers,
                      std::span<const std::int64_t> labels, std::int64_t classes);
/// pearson, spearman.
void add_value_scores(Scores& scores, std::span<const double> answers,
                      std::span<const double> values);
/// accuracy of whole rows, f1_micro, f1_macro. Elements are 0 or 1, `classes` of them a row.
void add_multi_label_scores(Scores& scores, std::span<const std::int64_t> answers,
                            std::span<const std::int64_t> labels, std::int64_t classes);
/// precision, recall and f1 of entities; accuracy of words.
void add_entity_scores(Scores& scores, const EntityScore& score);
/// In per cent, by the names of the official scripts: exact_match (exact of version 2) and f1.
void add_squad_scores(Scores& scores, const SquadScore& score);

/// The class with the largest logit, the first of equal ones.
std::int64_t best_class(std::span<const float> logits);

}  // namespace linnet::tools
