#pragma once
// RUN/starts.jsonl: where a run was started, by which program, and what its config changes.
#include <string>
#include <vector>

#include "recipes/run.h"
#include "src/base/json.h"
#include "src/dist/launch.h"

namespace usam::recipes {

// What the trainer writes beside a start's place in the run (TrainerParts::about):
//   {"config": file, "overrides": [...], "base": file and "changed": {key: [in the base, here]} where it has one,
//    "program", "libraries": {"LibTorch": ...}, "host", "processor", "cores", "threads", "gpus": [...], "ranks",
//    "parallel", "git": {"commit", "branch", "changed": files} of the checkout that the config lies in, if it does}
// `config` is what `file` and `overrides` make.
Json start_record(const std::string& file, const std::vector<std::string>& overrides, RunConfig& config,
                  const dist::Launch& launch);

// Why a run on `device` leaves the machine's `gpus` (gpu_names()) alone, and what to do; "" where it has none or is on
// one. is_cuda_build: of the program.
std::string idle_gpus(torch::Device device, const std::vector<std::string>& gpus, bool is_cuda_build);
// Tells the log the device that a run is on, with a warning about idle GPUs.
void log_device(torch::Device device);

}  // namespace usam::recipes
