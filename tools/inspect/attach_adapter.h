#pragma once
#include <torch/torch.h>

#include <string>

#include "src/io/peft.h"

namespace usam::inspect {

// Puts the low-rank updates of a peft adapter on a model's linear layers and lays the plain weights of its
// modules_to_save over the model's. UserError that lists every tensor that fits no layer or parameter; `name` is the
// adapter's folder.
void attach_adapter(torch::nn::Module& model, const io::PeftAdapter& adapter, const std::string& name);

}  // namespace usam::inspect
