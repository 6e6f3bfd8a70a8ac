#pragma once
// The plainest way from frames to tokens (SLAM-LLM's "linear" projector, arXiv 2402.08846): frames are laid side by
// side, and a perceptron of two layers brings them to the language model's width.
#include "src/nn/bridge.h"
#include "src/nn/linear.h"

namespace usam::nn {

enum class Tail { kPad, kDrop };

struct StackFramesConfig {
  int64_t frames = 5;
  Tail tail = Tail::kPad;
};
void describe(Fields& f, StackFramesConfig& c);

// `frames` frames side by side are a token. Frames that fill no token are padded with zeros, or with Tail::kDrop left
// out as SLAM-LLM does; a row that has frames has a token at least. No parameters.
class StackFramesImpl : public Bridge {
 public:
  // input_width: channels of the fused frames.
  StackFramesImpl(const StackFramesConfig& config, int64_t input_width);
  Frames forward(const Frames& frames) override;
  int64_t output_frames(int64_t frames) const override;
  int64_t width() const override { return config_.frames * input_width_; }

 private:
  StackFramesConfig config_;
  int64_t input_width_;
};
TORCH_MODULE(StackFrames);

enum class Activation { kRelu, kGelu };

struct PerceptronConfig {
  int64_t hidden = 2048;
  Activation activation = Activation::kRelu;
};
void describe(Fields& f, PerceptronConfig& c);

// One perceptron for all frames and tasks: second(activation(first(x))). Children: first, second.
class PerceptronImpl : public Projector {
 public:
  PerceptronImpl(const PerceptronConfig& config, int64_t width, int64_t output_width);
  // The prompt is not looked at. One expert, which has all the weight.
  Projected forward(const Frames& tokens, const torch::Tensor& prompt_BW) override;

 private:
  PerceptronConfig config_;
  Linear first_, second_;
};
TORCH_MODULE(Perceptron);

}  // namespace usam::nn
