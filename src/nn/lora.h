#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/base/config.h"
#include "src/nn/linear.h"

namespace usam::nn {

// Low-rank updates of linear layers (Hu et al. 2021, arXiv 2106.09685): y += alpha / rank * B(A(dropout(x))).
struct LoraConfig {
  int64_t rank = 8;
  double alpha = 32;
  double dropout = 0.1;  // of the update's input, in training
  std::vector<std::string> targets = {"q_proj", "v_proj"};
  bool operator==(const LoraConfig&) const = default;
};
void describe(Fields& f, LoraConfig& c);

// What a layer gets: children lora_A (rank, in) and lora_B (out, rank), fp32 whatever the layer's own type.
class LoraUpdate final : public LinearUpdate {
 public:
  LoraUpdate(int64_t in, int64_t out, const LoraConfig& config);
  torch::Tensor forward(const torch::Tensor& x) override;
  // Where the layer is frozen in one go, in place on the layer's product; beside x only A(dropout(x)) is kept for the
  // backward pass.
  torch::Tensor updated(LinearImpl& layer, const torch::Tensor& x) override;
  int64_t rank() const { return lora_A_->out_features; }
  double scale() const { return scale_; }
  // What it adds to the layer's weight, (out, in).
  torch::Tensor product() const { return scale_ * lora_B_->weight.mm(lora_A_->weight); }

 private:
  double scale_, dropout_;
  Linear lora_A_, lora_B_;
};

// Attaches an update to every nn::Linear of the module whose path is a target or ends with ".target", and returns the
// paths of these layers. A is uniform as in peft (Kaiming, a = sqrt 5), a function of (seed, name, path); B is 0.
// UserError for a target that matches no layer. Freezing the rest is the caller's (freeze.h).
std::vector<std::string> attach_lora(torch::nn::Module& module, const LoraConfig& config, uint64_t seed,
                                     const std::string& name = "");

}  // namespace usam::nn
