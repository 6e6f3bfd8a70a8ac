// adapter_config.json of the peft library.
#include <cmath>

#include "src/io/peft_config.h"
#include "tests/fuzz/fuzz.h"

namespace usam::fuzz {

std::vector<std::string> seeds() {
  io::PeftConfig config;
  config.targets = {"q_proj", "v_proj"};
  config.rank_pattern = {{"layers.0.q_proj", 3}, {"(q|v)_proj$", 2}};
  config.alpha_pattern = {{"^model\\.layers\\.[0-9]+.*", 0.5}};
  config.modules_to_save = {"lm_head"};
  config.keeps_tying = true;
  const std::string full = io::print_peft_config(config);
  return {
      full, R"({"peft_type":"LORA","r":8,"lora_alpha":16})",
      R"({"peft_type":"LORA","r":8,"lora_alpha":16,"use_dora":true,"loftq_config":{"bits":4},"bias":"lora_only"})",
      R"({"peft_type":"LORA","r":8,"lora_alpha":16,"init_lora_weights":"pissa","target_modules":".*\\.(q|v)_proj"})"};
}

void read(std::string_view bytes) {
  const auto config = io::parse_peft_config(bytes, "adapter_config.json");
  for (const char* path : {"model.layers.0.self_attn.q_proj", "lm_head", ""})
    if (config.rank_at(path) < 1 || std::isnan(config.scale(path))) std::abort();
  io::parse_peft_config(io::print_peft_config(config), "printed");
}

}  // namespace usam::fuzz
