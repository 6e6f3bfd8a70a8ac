#pragma once
// The folder of a run: which checkpoints it holds, which of them a run continues from, and which are kept.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/base/config_yaml.h"

namespace usam {

struct FoundCheckpoint {
  int64_t step = 0;
  std::string path;
};
// The folders named checkpoint-<step>, torn ones included, by rising step; none when the run's folder is absent.
std::vector<FoundCheckpoint> list_checkpoints(const std::string& run);
// Whether a folder of that name in a run's folder is a checkpoint that was not written to its end.
bool is_partial_checkpoint(const std::string& name);
// Moves checkpoints back that gave way to another one of their step which a crash kept from its place.
void restore_replaced_checkpoints(const std::string& run);
// The whole checkpoint of the highest step, one that gave way to another which is not there included; torn ones are
// skipped with a message.
std::optional<FoundCheckpoint> newest_whole_checkpoint(const std::string& run);

// What `--resume` means for a run: the checkpoint to continue from, or "" to start afresh.
//   auto  the newest whole checkpoint of the run's folder, if it has one
//   none  start afresh; UserError when the folder holds checkpoints
//   PATH  that checkpoint, or the newest whole one of that run folder; UserError when it is torn, or when the run's
//         folder holds later checkpoints, which would be overwritten
std::string choose_resume(const std::string& run, const std::string& mode);

// UserError that lists the keys in which a resumed config differs from the checkpoint's and that are not resumable.
// Those that are resumable are logged.
void check_config_differences(const std::string& checkpoint, const std::vector<Difference>& differences);
// The same for the config struct of a program.
template <class C>
void check_resumed_config(const std::string& checkpoint, C& config) {
  C before;
  load_config(checkpoint + "/config.yaml", {.overrides = {}, .offline = true}, before);
  check_config_differences(checkpoint, compare_configs(before, config));
}

// Points the link `name` ("last", "best") of a run at checkpoint-<step>, atomically.
void link_checkpoint(const std::string& run, const std::string& name, int64_t step);
// Which whole checkpoints of a run are kept.
struct Keep {
  int64_t last = 3;  // the newest ones; 0: all
  int64_t best = 1;  // beside them, the newest of those that were the best when they were made
};
// Removes the others, and torn leftovers. `step` is that of the checkpoint just written: where it does not look whole
// nothing is removed, and later ones are those that the run went back behind because they are damaged; they do not
// count.
void prune_checkpoints(const std::string& run, const Keep& keep, int64_t step);

}  // namespace usam
