#pragma once
// One checkpoint folder, whole or absent:
//
//   config.yaml  model.safetensors  optimizer.safetensors  state.json  (what the recipe adds)  manifest.json
//
// Where ranks share the optimizer's state, each writes a file of its own in place of optimizer.safetensors (pieces.h).
// manifest.json lists every other file with its size and SHA-256 and is written last, when all ranks have written; the
// folder is made under another name, synced and renamed.
#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "src/base/json.h"
#include "src/io/safetensors.h"
#include "trainer/manifest.h"
#include "trainer/pieces.h"

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
  int64_t global_micro_batches = 0;     // of a step, over ranks and accumulation
  int64_t bad_steps = 0;                // dropped in a row up to now
  int64_t skipped = 0;                  // samples of the epoch that could not be used, over all ranks
  std::map<std::string, int64_t> seen;  // samples of the epoch that were used, over all ranks (data::Batch::seen)
  std::optional<Best> best;
  bool owes_evaluation = false;  // of this step: a stop was asked for while it was under way
  bool operator==(const RunState&) const = default;
};

Json to_json(const RunState& state);
// UserError that names the folder when state.json is absent or malformed.
RunState read_run_state(const std::string& checkpoint);

// Writes what inference needs beside the trainables; `values` are these, by name.
using SaveAssets = std::function<void(const std::string& folder, const io::NamedTensors& values)>;

// What one rank brings to a checkpoint. Only the first rank's state, config, model and assets are written.
struct CheckpointParts {
  RunState state;
  std::string config_yaml;
  io::NamedTensors model;  // whole tensors
  std::vector<TensorPiece> optimizer;
  bool is_shared = false;  // each rank writes its pieces of the optimizer's state; else the first rank has them all
  SaveAssets save_assets;  // may be empty
};

// The folder that a checkpoint of a run is made in.
std::string partial_checkpoint(const std::string& run, int64_t step);
// Writes this rank's files into the partial folder and describes them for the manifest.
Json write_share(const std::string& run, const CheckpointParts& parts, int64_t rank, int64_t world);
// Makes the partial folder, in which all ranks have written `files`, a checkpoint: manifest, rename. Returns its path.
// A folder of that name is replaced where it is torn or still owes its evaluation; any other is a UserError.
std::string commit_checkpoint(const std::string& run, int64_t step, const Json& files);

struct ExportParts {
  std::string config_yaml;
  io::NamedTensors model;
  SaveAssets save_assets;  // may be empty
};
// Writes a folder that is opened like a checkpoint but from which no run goes on: without optimizer and state.
// UserError where something stands there already.
void write_export(const std::string& folder, const ExportParts& parts);

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
