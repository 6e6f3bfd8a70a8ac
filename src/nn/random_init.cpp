#include "src/nn/random_init.h"

namespace usam::nn {

void init_parameters(torch::nn::Module& module, DrawKey key, const InitRule& rule) {
  torch::NoGradGuard no_grad;
  for (auto& entry : module.named_parameters()) {
    auto of_parameter = generator(key.with(entry.key()));
    rule(entry.key(), entry.value(), of_parameter);
  }
}

void normal_rule(const std::string& path, torch::Tensor& parameter, torch::Generator& generator, double std) {
  if (parameter.dim() > 1) {
    parameter.normal_(0, std, generator);
  } else {
    parameter.fill_(path.ends_with("weight") ? 1.0 : 0.0);
  }
}

}  // namespace usam::nn
