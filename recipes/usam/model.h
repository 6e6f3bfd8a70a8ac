#pragma once
// The modules of U-SAM and the path of a batch through them (docs/model.md), up to the language model's input.
// B samples, T frames, D width.
#include <torch/torch.h>

#include <string>
#include <vector>

#include "data/batch.h"
#include "losses/saclm.h"
#include "recipes/usam/config.h"
#include "recipes/usam/encoders.h"
#include "recipes/usam/sequence.h"
#include "src/models/language_model.h"
#include "src/nn/bridge.h"

namespace usam::recipes {

// Children: encoders.NAME, mixes.NAME, bridge, projector, llm, saclm.
class UsamModel : public torch::nn::Module {
 public:
  // Builds every part; random initial values are functions of (seed, part, parameter path). `vocab_size` is the
  // tokenizer's.
  UsamModel(const UsamConfig& config, uint64_t seed, int64_t vocab_size);

  // The encoders' streams on one time grid, side by side in channels, the reference first. The batch holds the fields
  // that encoders.h names.
  Frames fused(const data::Batch& batch);
  // Audio to the language model's width: the fused streams through bridge and projector.
  nn::Projected project(const data::Batch& batch, const torch::Tensor& prompt_BW);
  // Mean input embedding of each sample's prompt (left and right), (B, W).
  torch::Tensor prompt_vector(const data::Batch& batch);
  // The audio tokens that reach the language model: all, or with bridge.prune those with the highest p_t.
  Frames prune(const Frames& audio);
  // Whether a frame runs fewer experts than there are.
  bool routes_sparsely() const;
  // The valid ids of a padded field, all rows behind each other.
  static torch::Tensor valid_ids(const data::BatchField& ids);
  // Their input embeddings.
  SequencePart embed(const data::BatchField& ids);

  // Valid audio tokens of a clip before pruning, given its frames in the first stream.
  int64_t audio_tokens(int64_t frames, double seconds) const;
  // Parts of which something is trained in train mode, the others in evaluation mode.
  void set_training(bool on);

  std::vector<EncoderPart> encoders;
  std::shared_ptr<nn::Bridge> bridge;
  std::shared_ptr<nn::Projector> projector;
  std::shared_ptr<LanguageModel> llm;
  losses::Saclm saclm{nullptr};         // null: no contrastive loss
  std::shared_ptr<FeatureCache> cache;  // null: every clip is encoded

 private:
  void add_encoder(const std::string& name, const EncoderSlot& slot, uint64_t seed);
  void choose_trainables(const UsamConfig& config, uint64_t seed);

  std::shared_ptr<torch::nn::Module> encoder_modules_, mix_modules_;
  FusionConfig fusion_;
};

}  // namespace usam::recipes
