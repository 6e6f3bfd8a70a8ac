#pragma once
// LoRA adapters in the layout of the peft library: adapter_config.json and adapter_model.safetensors (peft, developer
// guide "Checkpoint format").
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "src/io/safetensors.h"

namespace usam::io {

struct PeftAdapter {
  std::string base_model;  // folder or name of the base model, for information
  int64_t rank = 8;
  double alpha = 8;
  double dropout = 0;
  bool rank_stabilized = false;      // use_rslora: scale alpha / sqrt(r)
  std::vector<std::string> targets;  // names of the layers that carry LoRA; one regular expression where is_regex
  bool targets_is_regex = false;
  std::map<std::string, int64_t> rank_pattern;  // regular expression for the end of a module path -> its rank
  std::map<std::string, double> alpha_pattern;
  std::vector<std::string> modules_to_save;  // module names whose plain weights travel with the adapter
  // "<module path>.lora_A.weight" (r, in), "<module path>.lora_B.weight" (out, r) and plain weights of modules_to_save,
  // module paths as the base model has them.
  NamedTensors tensors;

  // What the product B A is multiplied by at a module: alpha / r, or alpha / sqrt(r), with the patterns applied.
  double scale(const std::string& module_path) const;
};

// Writes the two files into `folder` (made when absent). A module path that holds "lora" or "weight", both of which
// peft rewrites, is an internal error.
void write_peft_adapter(const std::string& folder, const PeftAdapter& adapter);

// Reads the two files. Settings of peft that usam does not know are ignored where they are off (null, false, empty) and
// refused, all in one message, where they are on; so are ranks that tensors and config disagree on.
PeftAdapter read_peft_adapter(const std::string& folder);

}  // namespace usam::io
