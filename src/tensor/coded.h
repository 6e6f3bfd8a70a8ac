#pragma once
#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

namespace usam {

// A module with a parameter that may hold codes in place of values, made of them when they are given.
class Coded {
 public:
  virtual ~Coded() = default;
  // The paths within the module of the parameter ("weight") and of what its codes need beside it ("scales"); empty
  // while it holds values.
  virtual std::string coded() const = 0;
  virtual std::string code_scales() const = 0;
  // The shape of the values.
  virtual std::vector<int64_t> value_sizes() const = 0;
  // Takes values of this shape, of any floating type and on any device, in place of those that it has: the codes are
  // those of a module that is given them first.
  virtual void take_values(const torch::Tensor& values) = 0;
};

// The module itself and those below it whose parameters hold codes, by the parameter's path; where their scales lie.
struct CodedParameters {
  std::map<std::string, Coded*> modules;
  std::vector<std::string> scales;
};
inline CodedParameters coded_parameters(torch::nn::Module& root) {
  CodedParameters found;
  const auto add = [&found](const std::string& prefix, torch::nn::Module& module) {
    auto* coded = dynamic_cast<Coded*>(&module);
    if (!coded || coded->coded().empty()) return;
    found.modules[prefix + coded->coded()] = coded;
    found.scales.push_back(prefix + coded->code_scales());
  };
  add("", root);
  for (const auto& item : root.named_modules("", /*include_self=*/false)) add(item.key() + ".", *item.value());
  return found;
}

}  // namespace usam
