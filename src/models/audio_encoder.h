#pragma once
#include <torch/torch.h>

#include <string>
#include <vector>

#include "src/tensor/frames.h"
#include "src/tensor/front_end_spec.h"

namespace usam {

// What an audio encoder gives: hidden states of equal shape and lengths.
struct EncoderOutput {
  std::vector<torch::Tensor> states_BTD;  // all layers, input first, when asked for; else `last_BTD` only
  torch::Tensor lengths_B;                // int64, valid frames of each row, in host memory
  double hz = 0;
  // The model's output. It is states_BTD.back(), unless a closing norm follows the last layer and all states were asked
  // for: pre-norm HuBERT and CED (as Hugging Face, whose hidden_states[-1] then differs from last_hidden_state).
  torch::Tensor last_BTD;

  Frames last() const { return {last_BTD.defined() ? last_BTD : states_BTD.back(), lengths_B, hz}; }
};

// A speech, sound or music encoder: front-end features -> frames. A clip's output never depends on its neighbours in
// the batch nor on its padding.
class AudioEncoder : public torch::nn::Module {
 public:
  // features (B, T, ...) zero-padded in time, as the front end gives them; lengths (B) int64 valid steps of each row,
  // in host memory.
  virtual EncoderOutput forward(const torch::Tensor& features, const torch::Tensor& lengths_B, bool all_states) = 0;
  virtual FrontEndSpec front_end() const = 0;
  // Number of valid output frames of a clip with `samples` samples at the front end's rate; equals forward()'s length.
  virtual int64_t output_frames(int64_t samples) const = 0;
  // A shorter clip is zero-padded to this many samples before the front end.
  virtual int64_t min_samples() const = 0;
  virtual int64_t width() const = 0;
  virtual int64_t num_states() const = 0;  // length of states_BTD when all are asked for
  virtual double hz() const = 0;           // output frames a second
  // Seconds from a clip's begin to the middle of an output frame; it never falls as the index rises.
  virtual double frame_time(int64_t index) const { return (static_cast<double>(index) + 0.5) / hz(); }
  // Whether all states are to be combined into the stream unless a recipe says otherwise (MERT), rather than the last.
  virtual bool prefers_all_states() const { return false; }
  // The path in this module of what its Hugging Face folder holds as one tensor; "" for what is no tensor here.
  virtual std::string path_of(const std::string& tensor) const = 0;
};

}  // namespace usam
