#pragma once
// What a run will take, measured in a few steps before it.
#include <memory>
#include <optional>
#include <string>

#include "data/data_set.h"
#include "recipes/run.h"
#include "trainer/trainer.h"

namespace usam::recipes {

// A step of one micro-batch.
struct TriedStep {
  Trial trial;
  int64_t samples = 0;
  double audio_seconds = 0;
};

struct Estimate {
  torch::Device device = torch::kCPU;
  int64_t ranks = 1;
  // Of the rank that needs most:
  Held held;
  TriedStep worst;
  int64_t peak_resident = 0;  // of the process
  int64_t copies = 0;         // bytes of what is copied to host memory while a checkpoint is written
  int64_t kept_clips = 0;     // bytes that data.cache_memory will take
  // Of this rank:
  TriedStep median;
  double load = 0;  // seconds that data.threads take for a micro-batch
  // What a second of audio takes in training, update included, while the loader reads ahead: of clips that are read for
  // the first time, and again. None where steps take so long that reading does not count.
  std::optional<double> second_at_first, second_again;
  double seconds_of_micro_batch = 0;             // of audio, the mean
  int64_t micro_batches = 0;                     // an epoch
  int64_t steps = 0, micro_batches_of_step = 0;  // of the run; micro-batches of a rank
  int64_t evaluated = 0;                         // micro-batches of data.valid
  data::Batch first;                             // the epoch's first micro-batch that has samples
};

// Tries the micro-batches of the first epoch that take most memory, and the median one, as whole steps of all ranks,
// which share the model as the config says; every rank calls it. The recipe is of no use afterwards. UserError where
// there is nothing to train, or where a micro-batch does not fit into memory.
Estimate try_steps(const RunConfig& config, const std::shared_ptr<Recipe>& recipe,
                   const std::shared_ptr<const data::DataSet>& train,
                   const std::shared_ptr<const data::DataSet>& valid = nullptr,
                   const std::shared_ptr<dist::Communicator>& ranks = dist::single_rank());

// Bytes of tensors that the device holds at the most.
int64_t device_bytes(const Estimate& estimate);
// Memory of the device by what it is taken for, and of the process; `baseline`: what the process took when it began.
std::string describe_memory(const Estimate& estimate, int64_t baseline);
// Steps and time, evaluations included, on as many ranks.
std::string describe_time(const Estimate& estimate, const RunConfig& config);

}  // namespace usam::recipes
