#include "recipes/usam/model.h"

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/models/model_registry.h"
#include "src/nn/align.h"
#include "src/nn/bridge_registry.h"
#include "src/nn/frame_select.h"
#include "src/nn/freeze.h"
#include "src/nn/task_moe.h"
#include "src/tensor/rng.h"

namespace usam::recipes {
namespace {

// Reference stream first, then the others in the order written: the order of channels in the fused frames.
std::vector<std::pair<std::string, EncoderSlot>> in_order(const UsamConfig& config) {
  auto slots = config.encoders;
  std::stable_partition(slots.begin(), slots.end(),
                        [&](const auto& slot) { return slot.first == config.fusion.reference; });
  return slots;
}

// Modules draw their initial values from torch's default generator; seeding it per part makes them independent of the
// order in which parts are built.
void seed_part(uint64_t seed, const std::string& part) {
  seed_default_generators(draw_key(seed, "init", part));
}

// A part of which nothing is trained, by its `train` or by recipe.freeze, is in evaluation mode: no dropout.
void rest_if_frozen(torch::nn::Module& part) {
  if (std::ranges::none_of(part.parameters(), [](const auto& parameter) { return parameter.requires_grad(); }))
    part.eval();
}

}  // namespace

UsamModel::UsamModel(const UsamConfig& config, uint64_t seed, int64_t vocab_size) : fusion_(config.fusion) {
  encoder_modules_ = register_module("encoders", std::make_shared<torch::nn::Module>());
  mix_modules_ = register_module("mixes", std::make_shared<torch::nn::Module>());
  int64_t width = 0;
  for (const auto& [name, slot] : in_order(config)) {
    add_encoder(name, slot, seed);
    width += encoders.back().encoder->width();
  }
  seed_part(seed, "bridge");
  bridge = register_module("bridge", nn::bridge_registry().build(config.bridge, width));
  llm = register_module("llm", language_model_registry().build(config.llm.part, {seed, "llm", vocab_size}));
  seed_part(seed, "projector");
  projector =
      register_module("projector", nn::projector_registry().build(config.projector, bridge->width(), llm->width()));
  if (config.loss.saclm) {
    seed_part(seed, "saclm");
    saclm = register_module("saclm", losses::Saclm(*config.loss.saclm, llm->width()));
  }
  choose_trainables(config, seed);
}

void UsamModel::add_encoder(const std::string& name, const EncoderSlot& slot, uint64_t seed) {
  EncoderPart part{name, slot.train, encoder_registry().build(slot.part, {seed, name, 0})};
  encoder_modules_->register_module(name, part.encoder);
  const bool mixes =
      slot.states == LayerUse::kMix || (slot.states == LayerUse::kDefault && part.encoder->prefers_all_states());
  if (mixes) part.mix = mix_modules_->register_module(name, nn::LayerMix(part.encoder->num_states()));
  encoders.push_back(std::move(part));
}

// LoRA is attached and parameters are frozen here, from outside the models.
void UsamModel::choose_trainables(const UsamConfig& config, uint64_t seed) {
  auto apply = [&](torch::nn::Module& module, Train train, const nn::LoraConfig& lora, const std::string& name) {
    if (train != Train::kLora && !(lora == nn::LoraConfig()))
      log::warn("recipe: 'lora' of {} is not used, because its 'train' is not lora.", name);
    if (train == Train::kFull) return;
    for (auto& parameter : module.parameters()) parameter.requires_grad_(false);
    if (train == Train::kLora) nn::attach_lora(module, lora, seed, name);
  };
  for (auto& part : encoders) {
    for (const auto& [name, slot] : config.encoders) {
      if (name == part.name) apply(*part.encoder, slot.train, slot.lora, name);
    }
  }
  apply(*llm, config.llm.train, config.llm.lora, "llm");
  if (!config.freeze.empty()) nn::set_trainable(*this, config.freeze, false);
}

void UsamModel::set_training(bool on) {
  train(on);
  for (auto& part : encoders) rest_if_frozen(*part.encoder);
  rest_if_frozen(*bridge);
  rest_if_frozen(*projector);
  rest_if_frozen(*llm);
}

Frames UsamModel::fused(const data::Batch& batch) {
  const auto streams = encode(encoders, batch, cache.get());
  torch::Tensor counts_B;
  double hz = streams.front().hz;
  if (fusion_.hz) {
    hz = *fusion_.hz;
    counts_B = (batch.field("seconds").data.squeeze(1) * hz).round().to(torch::kInt64).clamp_min(1);
  } else {
    counts_B = streams.front().lengths_B;  // the reference stands first
  }
  return nn::fuse(streams, counts_B, hz);
}

nn::Projected UsamModel::project(const data::Batch& batch, const torch::Tensor& prompt_BW) {
  return projector->forward(bridge->forward(fused(batch)), prompt_BW);
}

int64_t UsamModel::audio_tokens(int64_t frames, double seconds) const {
  return bridge->output_frames(fusion_.hz ? std::max<int64_t>(1, std::llrint(seconds * *fusion_.hz)) : frames);
}

torch::Tensor UsamModel::prompt_vector(const data::Batch& batch) {
  torch::Tensor sum_BW, count_B;
  for (const char* side : {"left", "right"}) {
    const auto& ids = batch.field(side);
    const auto valid = length_mask(ids.lengths_B, ids.data.size(1), ids.data.device()).unsqueeze(2);
    const auto part = (llm->embed(ids.data).to(torch::kFloat32) * valid).sum(1);
    sum_BW = sum_BW.defined() ? sum_BW + part : part;
    count_B = count_B.defined() ? count_B + ids.lengths_B : ids.lengths_B;
  }
  return sum_BW / to_device(count_B.clamp_min(1), sum_BW.device()).unsqueeze(1);  // zeros where a prompt has no tokens
}

bool UsamModel::routes_sparsely() const {
  const auto* moe = dynamic_cast<const nn::TaskMoeImpl*>(projector.get());
  return moe && moe->config().top_k;
}

Frames UsamModel::prune(const Frames& audio) {
  if (bridge->keep() >= 1) return audio;
  const double share = bridge->keep();
  return nn::select_frames(audio, nn::mask_from_scores(saclm->importance(audio), audio.valid_BT(), share),
                           nn::kept_frames(audio.lengths_B, share));
}

torch::Tensor UsamModel::valid_ids(const data::BatchField& ids) {
  return ids.data.flatten().index_select(0, valid_places(ids.lengths_B, ids.data.size(1), ids.data.device()));
}

SequencePart UsamModel::embed(const data::BatchField& ids) {
  return {llm->embed(valid_ids(ids)), to_vector(ids.lengths_B)};
}

}  // namespace usam::recipes
