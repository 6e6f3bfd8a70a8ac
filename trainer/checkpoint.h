#pragma once
// One checkpoint folder, whole or absent:
//
//   config.yaml  model.safetensors  optimizer.safetensors  state.json  (what the recipe adds)  manifest.json
//
// manifest.json lists every other file with its size and SHA-256 and is written last; the folder is made under another
// name, synced and renamed.
#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "src/base/json.h"
#include "src/io/safetensors.h"

namespace usam {

// The best evaluation so far.
struct Best {
  std::string metric;
  double value = 0;
  int64_t step = 0;
  bool operator==(const Best&) const = default;
};

// Where a run stands: state.json.
struct RunState {
  int64_t step = 0;     // steps done, dropped ones included
  data::Cursor cursor;  // the next micro-batch to consume
  uint64_t seed = 0;
  int64_t global_micro_batches = 0;  // of a step, over ranks and accumulation
  int64_t bad_steps = 0;             // dropped in a row up to now
  std::optional<Best> best;
  bool operator==(const RunState&) const = default;
};

Json to_json(const RunState& state);
// UserError that names the folder when state.json is absent or malformed.
RunState read_run_state(const std::string& checkpoint);

struct CheckpointParts {
  RunState state;
  std::string config_yaml;
  io::NamedTensors model, optimizer;
  std::function<void(const std::string& folder)>
      save_assets;  // what inference needs beside the trainables; may be empty
};

// Writes `run`/checkpoint-<step> and returns its path. A torn folder of that name is replaced, a whole one is a
// UserError.
std::string write_checkpoint(const std::string& run, const CheckpointParts& parts);

struct ExportParts {
  std::string config_yaml;
  io::NamedTensors model;
  std::function<void(const std::string& folder)> save_assets;  // may be empty
};
// Writes a folder that is opened like a checkpoint but from which no run goes on: without optimizer and state.
// UserError where something stands there already.
void write_export(const std::string& folder, const ExportParts& parts);

// What is wrong with a checkpoint or an export, a sentence each; empty: it is whole, every file hashed.
std::vector<std::string> checkpoint_problems(const std::string& checkpoint);
// UserError that lists the problems, if there are any.
void require_whole_checkpoint(const std::string& checkpoint);

// Copies a file's tensors into `targets` in place. UserError that lists all tensors that are missing, left over, or of
// another shape or dtype.
void restore_tensors(const io::NamedTensors& targets, const std::string& file);

struct OverlayReport {
  std::string file;
  int64_t tensors = 0, values = 0;
};
// Copies the tensors of a safetensors file or of a checkpoint (whole, or UserError) over a module's parameters and
// buffers of the same names; what the file does not hold stays. UserError that lists tensors the module does not have
// or has in another shape.
OverlayReport overlay(torch::nn::Module& module, const std::string& path);

}  // namespace usam
