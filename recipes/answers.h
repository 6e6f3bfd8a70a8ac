#pragma once
#include <torch/torch.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/batch.h"
#include "src/base/json.h"
#include "src/decode/options.h"
#include "src/eval/evaluate_config.h"
#include "src/models/language_model.h"
#include "src/text/tokenizer.h"

namespace usam::recipes {

// Prompts with their audio, as a language model reads them: (B, T, D) right-padded, (B) int64.
struct PromptRows {
  torch::Tensor embeds_BTD, lengths_B;
};

// A sample as the language model reads it in training.
struct ShownSample {
  std::string text;  // prompt, "<audio: 25 tokens>" where the sound stands, and answer; special tokens as they are
  int64_t text_tokens = 0, audio_tokens = 0;
  std::vector<std::pair<std::string, int64_t>> frames;  // steps of each encoder's features that hold the clip
};

// A recipe whose answers a language model writes: what evaluation, generation and serving ask of it.
class Answers {
 public:
  virtual ~Answers() = default;
  // What each sample's answer follows.
  virtual PromptRows prompts(const data::Batch& batch) = 0;
  virtual LanguageModel& language_model() = 0;
  virtual std::shared_ptr<const Tokenizer> tokenizer() const = 0;
  virtual std::vector<int64_t> end_ids() const = 0;  // any of them ends an answer
  // What training reads of each sample.
  virtual std::vector<ShownSample> show(const data::Batch& batch) const = 0;
  // How each sample was heard, for drawing, as the recipe defines it: an object a sample.
  virtual std::vector<Json> explain(const data::Batch& batch) = 0;
};

// A recipe whose answer is a choice among fixed labels.
class Classifies {
 public:
  virtual ~Classifies() = default;
  virtual const std::vector<std::string>& labels() const = 0;
  // Probability of each label, (B, C) float on the CPU.
  virtual torch::Tensor scores(const data::Batch& batch) = 0;
};

// The tasks whose answers evaluate.tasks wants to be one of some labels, or a number: usam-eval's alone.
std::vector<std::string> constrained_tasks(const eval::EvaluateConfig& config);
// The search that a config asks for, with the recipe's tokenizer and end tokens.
decode::Options decoding_options(const eval::EvaluateConfig& config, const Answers& recipe);

}  // namespace usam::recipes
