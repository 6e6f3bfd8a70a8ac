#pragma once
// What can be said of a run before it is started, and which config an evaluation runs with.
#include <string>
#include <vector>

#include "recipes/run.h"

namespace usam::recipes {

// "parameters: 5.1 M, of which 0.4 M are trained (bridge 0.2 M, llm 0.1 M, ...)": by the children of the module.
std::string parameter_summary(Recipe& recipe);

// Opens everything that a run needs and says what it found: rows, hours, unreadable files, micro-batches of an epoch,
// parameters, the first samples as the model will see their lengths. UserError where training would not start.
std::string validate(const RunConfig& config);

// The config that a checkpoint is evaluated with: model, prompts, normaliser and overlays of the checkpoint; data.* and
// evaluate.* as asked. UserError that lists the other keys in which the two differ and that no override names.
RunConfig evaluation_config(const std::string& checkpoint, const RunConfig& asked,
                            const std::vector<std::string>& overrides);

}  // namespace usam::recipes
