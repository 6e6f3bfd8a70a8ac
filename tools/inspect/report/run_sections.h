#pragma once
// The parts of a run's page that are no curves; each is empty where nothing is known.
#include "src/eval/html/markup.h"
#include "tools/inspect/report/record.h"

namespace usam::inspect {

// The weights of the last evaluation, a row a task and a column an expert.
eval::html::Markup router_of(const RunRecord& record);
// Of each sample of data.valid that the run shows: the mask over its spectrogram, its sound, label and answers.
eval::html::Markup samples_of(const RunRecord& record);
// What went wrong and when, and the epochs.
eval::html::Markup health_of(const RunRecord& record);
// Where the time went.
eval::html::Markup time_of(const RunRecord& record);
// What the config changes in its base, in the defaults, and all of it.
eval::html::Markup config_of(const RunRecord& record);
// Each start, and machine, program, libraries and checkout of the last one.
eval::html::Markup environment_of(const RunRecord& record);

}  // namespace usam::inspect
