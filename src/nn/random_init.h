#pragma once
#include <torch/torch.h>

#include <functional>
#include <string>

#include "src/tensor/rng.h"

namespace usam::nn {

// Fills one parameter in place, drawing from `generator` only.
using InitRule = std::function<void(const std::string& path, torch::Tensor& parameter, torch::Generator& generator)>;

// Applies the rule to every parameter of the module, without gradient. The generator of a parameter is a function of
// (key, its path), so that values depend neither on the order of construction nor on other parameters.
void init_parameters(torch::nn::Module& module, DrawKey key, const InitRule& rule);

// The rule of most transformers: matrices, kernels and tables normal(0, std); one-dimensional `weight`s (the gains of
// norms) 1, one-dimensional biases 0.
void normal_rule(const std::string& path, torch::Tensor& parameter, torch::Generator& generator, double std);

}  // namespace usam::nn
