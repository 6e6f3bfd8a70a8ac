#pragma once
#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "data/batch.h"
#include "losses/loss.h"
#include "src/io/safetensors.h"
#include "trainer/health.h"

namespace usam {

// Parameters that one optimizer step updates together.
struct ParameterGroup {
  std::string name;
  double lr_scale = 1;
  std::vector<std::pair<std::string, torch::Tensor>> parameters;  // path, tensor
  bool active = true;                                             // false: left alone this step
};

// What a forward pass gives the trainer.
struct StepOutput {
  std::vector<Term> terms;
  std::vector<Metric> metrics;
};

// The only thing the trainer knows: how parts become a step. Implemented once per family under recipes/.
class Recipe {
 public:
  virtual ~Recipe() = default;

  // What data/ must deliver.
  virtual data::DataPlan data_plan() const = 0;
  // Every count that the terms of this batch will be divided by, from the batch alone.
  virtual Counts count(const data::Batch& batch) const = 0;
  // Loss terms of one micro-batch as sums. In evaluation mode nothing random is drawn.
  virtual StepOutput forward(const data::Batch& batch) = 0;
  virtual torch::nn::Module& module() = 0;
  // Trainable parameters in a fixed order; also what a checkpoint holds. Every one is touched in every step. Here: all
  // of the module's that require a gradient, as one group.
  virtual std::vector<ParameterGroup> groups();
  // What training changes beside the parameters (running statistics), by path; a checkpoint holds it too.
  virtual std::vector<std::pair<std::string, torch::Tensor>> statistics() { return {}; }
  // What a config asks of the data that clips of such a length do not have, in sentences with the remedy; for
  // --validate, which gives the median clip's.
  virtual std::vector<std::string> doubts(const data::SampleLength&) const { return {}; }
  // What of its figures shows that something goes wrong.
  virtual std::vector<Watch> watches() const { return {}; }
  // Train mode for what is trained; frozen parts stay in evaluation mode.
  virtual void train(bool on) = 0;
  // Writes what inference needs beside the trainables into a checkpoint under construction: tokenizer/, adapter/,
  // base.json. `values`: what the checkpoint holds, by path. Called while training goes on in another thread, which
  // changes the module's own values.
  virtual void save_assets(const std::string& folder, const io::NamedTensors& values) const = 0;
  // UserError where a checkpoint's assets say that it was trained on other frozen values than there are now.
  virtual void check_assets(const std::string& folder) const = 0;
};

}  // namespace usam
