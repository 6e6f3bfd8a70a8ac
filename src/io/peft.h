#pragma once
// LoRA adapters in the layout of the peft library: adapter_config.json and adapter_model.safetensors (peft, developer
// guide "Checkpoint format").
#include <string>

#include "src/io/peft_config.h"
#include "src/io/safetensors.h"

namespace usam::io {

struct PeftAdapter : PeftConfig {
  // "<module path>.lora_A.weight" (r, in), "<module path>.lora_B.weight" (out, r), and plain weights: those of
  // modules_to_save and the biases. Module paths as the base model has them.
  NamedTensors tensors;
};

// The module path of a low-rank factor's name, "" for another tensor.
std::string peft_module_of(const std::string& tensor);

// Whether a folder holds an adapter.
bool is_peft_folder(const std::string& folder);

// Writes the two files into `folder` (made when absent). A module path that holds "lora" or "weight", both of which
// peft rewrites, is an internal error.
void write_peft_adapter(const std::string& folder, const PeftAdapter& adapter);

// Reads the two files. UserError for settings that are on and not known, and, all in one message, for ranks that
// tensors and config disagree on, factors without their other half, kinds of tensors that usam has not, and values that
// are not finite numbers.
PeftAdapter read_peft_adapter(const std::string& folder);

}  // namespace usam::io
