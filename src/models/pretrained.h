#pragma once
// From a ModelSource to a module with values.
#include <torch/torch.h>

#include "src/io/weights.h"
#include "src/models/model_source.h"

namespace usam {

// The folder's weights. `values` is how many its config.json asks for, at least: sizes far beyond what the files hold
// are refused before a module of these sizes takes memory. UserError as of io::WeightFiles.
io::WeightFiles open_weights(const ModelSource& source, double values);
// Brings the weights in, kept as the source says, and logs what was read. UserError as of io::load_weights().
void load_pretrained(torch::nn::Module& module, const ModelSource& source, const io::WeightFiles& files,
                     io::LoadOptions options);
// Converts a module made from random values to the source's type and store.
void keep_random(torch::nn::Module& module, const ModelSource& source);

}  // namespace usam
