#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "src/tensor/coded.h"

namespace usam {

// Steps that a convolution gives; 0 below its kernel.
int64_t conv_length(int64_t length, int64_t kernel, int64_t stride);

struct MertConvOptions {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, padding = 0, groups = 1;
  bool bias = true;
};

// A convolution over time: torch's; as products of its windows, where they lie in the input as rows; or one of whole
// numbers, its weight as int8 codes, its windows the rows of a product (WeightStore::kInt8Dynamic).
class MertConvImpl : public torch::nn::Module, public Coded {
 public:
  explicit MertConvImpl(const MertConvOptions& options);
  // x (B, in, T) -> (B, out, T').
  torch::Tensor forward(const torch::Tensor& x_BCT) const;
  // Keeps the weight as codes, frozen.
  void quantise() { take_values(weight); }
  std::string coded() const override { return scales.defined() ? "weight" : ""; }
  std::string code_scales() const override { return "scales"; }
  std::vector<int64_t> value_sizes() const override {
    return {options_.out, options_.in / options_.groups, options_.kernel};
  }
  void take_values(const torch::Tensor& weight_OCK) override;
  const MertConvOptions& options() const { return options_; }

  torch::Tensor weight,
      bias;              // (out, in / groups, kernel), or codes (out, kernel * in / groups); bias may be undefined
  torch::Tensor scales;  // of the codes, (out); undefined while the weight holds values

 private:
  bool can_take_rows(const torch::Tensor& x_BCT) const;
  torch::Tensor convolve_rows(const torch::Tensor& x_TC) const;
  torch::Tensor convolve_codes(const torch::Tensor& x_TC) const;

  MertConvOptions options_;
};
TORCH_MODULE(MertConv);

}  // namespace usam
