// B rows, T frames, D their width, K frames of a token, N tokens, W width of the language model.
#include "src/nn/stack_frames.h"

#include <ATen/ceil_div.h>

namespace usam::nn {

void describe(Fields& f, StackFramesConfig& c) {
  f("frames", c.frames, "frames that are laid side by side to a token").at_least(1);
  f.choice("tail", c.tail, {{"pad", Tail::kPad}, {"drop", Tail::kDrop}},
           "frames at a clip's end that fill no token: padded with zeros, or left out as SLAM-LLM does");
}

StackFramesImpl::StackFramesImpl(const StackFramesConfig& config, int64_t input_width)
    : config_(config), input_width_(input_width) {}

int64_t StackFramesImpl::output_frames(int64_t frames) const {
  if (config_.tail == Tail::kPad) return at::ceil_div(frames, config_.frames);
  return std::max<int64_t>(frames / config_.frames, frames > 0 ? 1 : 0);
}

Frames StackFramesImpl::forward(const Frames& frames) {
  const auto K = config_.frames, B = frames.x_BTD.size(0), T = frames.x_BTD.size(1), D = frames.x_BTD.size(2);
  const auto N = output_frames(T);
  const auto x_BTD = frames.x_BTD.masked_fill(~frames.valid_BT().unsqueeze(2), 0);
  const auto whole_BTD = torch::constant_pad_nd(x_BTD, {0, 0, 0, N * K - T});  // a negative number cuts
  const auto& lengths_B = frames.lengths_B;
  const auto tokens_B = config_.tail == Tail::kPad ? (lengths_B + K - 1).floor_divide(K)
                                                   : torch::maximum(lengths_B.floor_divide(K), lengths_B.clamp(0, 1));
  const auto valid_BN1 = length_mask(tokens_B, N, x_BTD.device()).unsqueeze(2);
  return {whole_BTD.reshape({B, N, K * D}).masked_fill(~valid_BN1, 0), tokens_B, frames.hz / static_cast<double>(K)};
}

void describe(Fields& f, PerceptronConfig& c) {
  f("hidden", c.hidden, "hidden width").at_least(1);
  f.choice("activation", c.activation, {{"relu", Activation::kRelu}, {"gelu", Activation::kGelu}},
           "what stands between the two layers");
}

PerceptronImpl::PerceptronImpl(const PerceptronConfig& config, int64_t width, int64_t output_width)
    : config_(config),
      first_(register_module("first", Linear(width, config.hidden))),
      second_(register_module("second", Linear(config.hidden, output_width))) {}

Projected PerceptronImpl::forward(const Frames& tokens, const torch::Tensor& prompt_BW) {
  (void)prompt_BW;
  const auto valid_BT1 = tokens.valid_BT().unsqueeze(2);
  const auto hidden_BTH = first_->forward(tokens.x_BTD);
  const auto active_BTH = config_.activation == Activation::kRelu ? torch::relu(hidden_BTH) : torch::gelu(hidden_BTH);
  const auto gates_BTE = valid_BT1.to(torch::kFloat);
  return {{second_->forward(active_BTH).masked_fill(~valid_BT1, 0), tokens.lengths_B, tokens.hz},
          gates_BTE,
          gates_BTE,
          valid_BT1};
}

}  // namespace usam::nn
