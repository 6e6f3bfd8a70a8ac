#pragma once
// An encoder with a small classifier on its pooled states. B samples, T frames, D width, C classes.
#include <torch/torch.h>

#include <memory>
#include <vector>

#include "data/batch.h"
#include "recipes/probe/config.h"
#include "src/models/audio_encoder.h"
#include "src/nn/linear.h"

namespace usam::recipes {

// Children: encoders.TYPE, hidden (absent without one), head; `shares` where all layers are summed.
class ProbeModel : public torch::nn::Module {
 public:
  // UserError: a layer that the encoder has not.
  ProbeModel(const ProbeConfig& config, uint64_t seed, int64_t classes);

  // Logits (B, C) of a batch with the fields audio and steps (valid steps of each row).
  torch::Tensor forward(const data::Batch& batch);
  // What the encoder gives, as the config pools it: (B, D), with mean_std (B, 2 D).
  torch::Tensor pooled(const data::Batch& batch);
  // Train mode for what is trained; a frozen encoder stays in evaluation mode.
  void set_training(bool on);

  std::shared_ptr<AudioEncoder> encoder;

 private:
  Frames encode(const data::Batch& batch);

  ProbeConfig config_;
  std::shared_ptr<torch::nn::Module> encoders_;
  torch::Tensor shares_;  // (states), before the softmax
  nn::Linear hidden_{nullptr}, head_{nullptr};
};

// Mean of each row's valid frames, (B, D); with_std: and their standard deviation (of the population) beside it.
torch::Tensor pool_frames(const Frames& frames, bool with_std);

}  // namespace usam::recipes
