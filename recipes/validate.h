#pragma once
// What can be said of a run before it is started, and which config an evaluation runs with.
#include <string>
#include <vector>

#include "recipes/run.h"

namespace usam::recipes {

// UserError where data.train is empty.
void require_training_data(const RunConfig& config);

// Opens everything that a run needs and says what it found: rows, hours, unreadable files, micro-batches of an epoch,
// parameters, what the run will take of memory and time (estimate.h), the first samples as the model will read them.
// UserError where training would not start. Every rank calls it.
std::string validate(const RunConfig& config, const std::shared_ptr<dist::Communicator>& ranks = dist::single_rank());

// The config that a checkpoint is evaluated with: model, prompts, normaliser and overlays of the checkpoint; data.* and
// evaluate.* as asked. UserError that lists the other keys in which the two differ and that no override names.
RunConfig evaluation_config(const std::string& checkpoint, const RunConfig& asked,
                            const std::vector<std::string>& overrides);

}  // namespace usam::recipes
