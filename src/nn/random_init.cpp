#include "src/nn/random_init.h"

#include <cmath>

#include "src/tensor/untouched.h"

namespace usam::nn {
namespace {

thread_local int unset_parameters = 0;

}  // namespace

UnsetParameters::UnsetParameters() {
  ++unset_parameters;
}

UnsetParameters::~UnsetParameters() {
  --unset_parameters;
}

bool UnsetParameters::is_on() {
  return unset_parameters > 0;
}

torch::Tensor parameter_memory(at::IntArrayRef sizes) {
  return UnsetParameters::is_on() ? untouched_zeros(sizes) : torch::empty(sizes);
}

void init_parameters(torch::nn::Module& module, DrawKey key, const InitRule& rule) {
  torch::NoGradGuard no_grad;
  for (auto& entry : module.named_parameters()) {
    auto of_parameter = generator(key.with(entry.key()));
    rule(entry.key(), entry.value(), of_parameter);
  }
}

void scratch_rule(const std::string& path, torch::Tensor& parameter, torch::Generator& generator, double scale) {
  if (parameter.dim() > 1) {
    const bool is_table = path.find("embed_") != std::string::npos || path.ends_with("_embed");
    const auto fan_in = static_cast<double>(parameter.numel() / parameter.size(0));
    parameter.normal_(0, is_table ? 0.02 : scale / std::sqrt(fan_in), generator);
  } else {
    parameter.fill_(path.ends_with("weight") ? 1.0 : 0.0);
  }
}

}  // namespace usam::nn
