#pragma once
// evaluate.window: long recordings are answered window by window, and the answers joined.
#include <memory>
#include <vector>

#include "data/sources/windows.h"
#include "recipes/decoding.h"
#include "src/eval/evaluate_config.h"

namespace usam::recipes {

// The windows of a set's recordings; null where evaluate.window is not set.
std::shared_ptr<const data::WindowSource> cut_windows(std::shared_ptr<const data::Source> source,
                                                      const eval::EvaluateConfig& config);

// How the windows' answers of one task become one.
enum class Joining {
  kText,        // the texts are merged where they overlap (src/text/merge.h)
  kVote,        // the most frequent one; of equals the one that comes first
  kNumber,      // the mean of the numbers
  kLikelihood,  // the label with the highest mean score
};
// Of a recipe that classifies, every task is one of labels.
Joining joining_of(const eval::EvaluateConfig& config, const std::string& task, const Recipe& recipe);

// Answers to one recording's windows, all of them in their order, as one answer to its row. Scores are averaged; what
// explains the answers is put one behind the other, from the middle of one overlap to the middle of the next.
Answer join_answers(std::vector<Answer> parts, const data::WindowSource& windows, Joining joining,
                    const std::vector<std::string>& labels);

// The same for a set: answers to rows of `windows`, ascending, as answers to the original rows. A recording of which a
// window is missing is left out.
std::vector<Answer> join_windows(std::vector<Answer> answers, const data::WindowSource& windows,
                                 const eval::EvaluateConfig& config, const Candidates& candidates,
                                 const Recipe& recipe);

}  // namespace usam::recipes
