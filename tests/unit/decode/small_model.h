#pragma once
#include <memory>

#include "src/models/llama/build.h"

namespace usam::test {

// Two blocks and fifty tokens, with weights far enough from 0 that its choices vary.
inline std::shared_ptr<llama::Decoder> small_model(uint64_t seed = 3) {
  llama::Config config;
  config.init = llama::Init::kRandom;
  config.layers = 2, config.hidden = 32, config.heads = 4, config.kv_heads = 2, config.intermediate = 48;
  auto model = llama::build(config, llama::kLlama, {.seed = seed, .name = "llm", .vocab_size = 50});
  torch::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) {
    if (parameter.dim() > 1) parameter.mul_(12);
  }
  model->eval();
  return model;
}

// Right-padded prompts (B, T, 32), a function of the seed; padding holds garbage that must not be seen.
inline std::pair<torch::Tensor, torch::Tensor> small_prompts(const std::vector<int64_t>& lengths) {
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  auto prompts = torch::full({static_cast<int64_t>(lengths.size()), longest, 32}, 9.0);
  for (size_t b = 0; b < lengths.size(); ++b) {
    auto draws = at::detail::createCPUGenerator(100 + b);
    prompts[static_cast<int64_t>(b)].narrow(0, 0, lengths[b]).copy_(torch::randn({lengths[b], 32}, draws));
  }
  return {prompts, torch::tensor(lengths)};
}

}  // namespace usam::test
