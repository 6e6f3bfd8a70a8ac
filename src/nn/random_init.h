#pragma once
#include <torch/torch.h>

#include <functional>
#include <string>

#include "src/tensor/rng.h"

namespace usam::nn {

// While one lives, linear layers made on this thread leave their parameters unset, for values that are read or drawn
// afterwards, and take no memory for large ones until then.
class UnsetParameters {
 public:
  UnsetParameters();
  ~UnsetParameters();
  UnsetParameters(const UnsetParameters&) = delete;
  UnsetParameters& operator=(const UnsetParameters&) = delete;
  static bool is_on();
};

// Where the values of a new parameter go; what it holds is not to be relied on.
torch::Tensor parameter_memory(at::IntArrayRef sizes);

// Fills one parameter in place, drawing from `generator` only.
using InitRule = std::function<void(const std::string& path, torch::Tensor& parameter, torch::Generator& generator)>;

// Applies the rule to every parameter of the module, without gradient. The generator of a parameter is a function of
// (key, its path), so that values depend neither on the order of construction nor on other parameters.
void init_parameters(torch::nn::Module& module, DrawKey key, const InitRule& rule);

// The rule for models made from scratch: matrices and kernels normal(0, scale / sqrt(fan in)), so that a signal keeps
// its size at any width (the 0.02 of published checkpoints, right near width 2500, all but silences a width of 100);
// tables of embeddings normal(0, 0.02); one-dimensional `weight`s (the gains of norms) 1, one-dimensional biases 0.
void scratch_rule(const std::string& path, torch::Tensor& parameter, torch::Generator& generator, double scale = 1);

}  // namespace usam::nn
