#pragma once
#include <torch/torch.h>

#include <optional>

#include "src/base/config.h"
#include "src/tensor/frames.h"

namespace usam::nn {

// Shortens a stream of fused encoder frames to audio tokens.
class Bridge : public torch::nn::Module {
 public:
  virtual Frames forward(const Frames& frames) = 0;
  virtual int64_t output_frames(int64_t frames) const = 0;  // valid tokens of a row with so many valid frames
  virtual int64_t width() const = 0;                        // of its output
  // Share of the tokens that is to reach the language model (PruneConfig); the caller drops the rest.
  virtual double keep() const { return 1; }
};

// What a projector gives. E experts (1 where there are none).
struct Projected {
  Frames audio;                     // (B, T, width of the language model), zeros at padding
  torch::Tensor gates_BTE;          // weight of each expert's output, rows sum to 1 at valid frames, 0 at padding
  torch::Tensor probabilities_BTE;  // of the router, before a top-k
  torch::Tensor chosen_BTE;         // bool: the experts that ran
};

// Brings audio tokens to the width of the language model, knowing the task from its prompt.
class Projector : public torch::nn::Module {
 public:
  // prompt (B, W): mean input embedding of each sample's prompt, W the width of the language model.
  virtual Projected forward(const Frames& tokens, const torch::Tensor& prompt_BW) = 0;
};

// `bridge.prune`: the share of audio tokens that reaches the language model, chosen by the contrastive loss's p_t.
struct PruneConfig {
  double keep = 0.5;
};
inline void describe(Fields& f, PruneConfig& c) {
  f("keep", c.keep, "share of a clip's audio tokens that is kept (rounded up, at least one)").more_than(0).at_most(1);
}

}  // namespace usam::nn
