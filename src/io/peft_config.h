#pragma once
// adapter_config.json of the peft library (class LoraConfig, peft/tuners/lora/config.py). No torch.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace usam::io {

// What peft takes from a layer's weight before it adds the update: nothing, its `rank` largest singular triples, or the
// first `rank` terms of its QR decomposition (init_lora_weights: pissa, olora).
enum class PeftResidual { kNone, kPissa, kOlora };

struct PeftConfig {
  // A regular expression for the end of a module path, and what holds there; the first that matches counts.
  template <class Value>
  using Patterns = std::vector<std::pair<std::string, Value>>;

  std::string base_model;  // folder or name of the base model, for information
  int64_t rank = 8;
  double alpha = 8;
  double dropout = 0;
  bool rank_stabilized = false;      // use_rslora: scale alpha / sqrt(r)
  std::vector<std::string> targets;  // names of the layers that carry LoRA; one regular expression where is_regex
  bool targets_is_regex = false;
  Patterns<int64_t> rank_pattern;
  Patterns<double> alpha_pattern;
  std::vector<std::string> modules_to_save;  // module names whose plain weights travel with the adapter
  std::string bias = "none";                 // biases that travel with it: none, all, lora_only
  bool keeps_tying = false;                  // ensure_weight_tying: a saved embedding stays the output projection
  PeftResidual residual = PeftResidual::kNone;
  std::string task = "CAUSAL_LM";  // task_type: the class that peft wraps the model in; "" for none

  int64_t rank_at(const std::string& module_path) const;
  // What the product B A is multiplied by at a module: alpha / r, or alpha / sqrt(r), with the patterns applied.
  double scale(const std::string& module_path) const;
};

// Parses the text of the file `path`. Settings of peft that usam does not know are ignored where they are off (null,
// false, empty) and refused, all in one UserError, where they are on.
PeftConfig parse_peft_config(std::string_view text, const std::string& path);

// The file's text for a config.
std::string print_peft_config(const PeftConfig& config);

}  // namespace usam::io
