#pragma once
// One config file = one run: the whole config, and how it becomes data, a recipe and a trainer's input.
#include <memory>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/data_set.h"
#include "data/source.h"
#include "recipes/recipe_registry.h"
#include "src/base/config.h"
#include "src/base/config_yaml.h"
#include "src/dist/communicator.h"
#include "src/dist/data_parallel.h"
#include "src/eval/evaluate_config.h"
#include "trainer/batches.h"
#include "trainer/trainer_config.h"

namespace usam::recipes {

struct RunFolderConfig {
  Path dir;
  Path prometheus;      // a file that says how the run stands; empty: none
  int64_t samples = 3;  // of data.valid that TensorBoard shows
};

struct ParallelConfig {
  dist::Strategy strategy = dist::Strategy::kDdp;
  double patience = 30;  // seconds without a sign of life after which a rank counts as lost
  double timeout = 600;  // seconds that ranks wait for one that is alive but does not come
};

// Every key of a config file.
struct RunConfig {
  int64_t seed = 20;
  RunFolderConfig run;
  data::DataConfig data;
  Part recipe;
  std::vector<Path> init_from;
  TrainerConfig trainer;
  ParallelConfig parallel;
  eval::EvaluateConfig evaluate;
};
void describe(Fields& f, RunFolderConfig& c);
void describe(Fields& f, ParallelConfig& c);
void describe(Fields& f, RunConfig& c);

// The recipe of a config, made for training: initial values, then the overlays of `init_from` in their order. `train`
// is read only where something is made of its labels or tags: a tokenizer, a probe's classes. `resumed` is the
// checkpoint that training goes on from, whose tokenizer counts whatever the labels are by now; its values are the
// trainer's to restore.
std::shared_ptr<Recipe> build_recipe(const RunConfig& config, const data::Source& train,
                                     std::shared_ptr<dist::Communicator> ranks = dist::single_rank(),
                                     const std::string& resumed = "");
// The recipe of a checkpoint with its trained values, its tokenizer, and the bases that it names checked. `config` is
// the checkpoint's own, perhaps with overrides of the user.
std::shared_ptr<Recipe> open_checkpoint(const std::string& checkpoint, const RunConfig& config);
// The config that a checkpoint was trained with; overrides lie over it (bases.h).
RunConfig checkpoint_config(const std::string& checkpoint, const std::vector<std::string>& overrides = {});

// Opens manifests. UserError with everything that is wrong with their rows, tasks that the recipe has no prompt for
// included.
std::shared_ptr<const data::Source> open_data(const std::vector<data::ManifestConfig>& manifests,
                                              const RunConfig& config);
// This rank's share of a data set, as the trainer reads it.
Batches make_batches(std::shared_ptr<const data::DataSet> data, const dist::Communicator& ranks);
// A data set over the manifests; `skips` may be null.
std::shared_ptr<const data::DataSet> make_data_set(std::shared_ptr<const data::Source> source, const Recipe& recipe,
                                                   const RunConfig& config, bool is_training,
                                                   std::shared_ptr<data::SkipList> skips);

}  // namespace usam::recipes
