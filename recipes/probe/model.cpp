#include "recipes/probe/model.h"

#include "src/base/error.h"
#include "src/models/model_registry.h"
#include "src/nn/lora.h"
#include "src/tensor/rng.h"

namespace usam::recipes {

torch::Tensor pool_frames(const Frames& frames, bool with_std) {
  const auto valid_BTO = frames.valid_BT().unsqueeze(2);
  const auto count_BO = to_device(frames.lengths_B.clamp_min(1), frames.x_BTD.device()).unsqueeze(1);
  const auto mean_BD = frames.x_BTD.masked_fill(~valid_BTO, 0).sum(1) / count_BO;
  if (!with_std) return mean_BD;
  const auto apart_BTD = (frames.x_BTD - mean_BD.unsqueeze(1)).masked_fill(~valid_BTO, 0);
  const auto variance_BD = apart_BTD.square().sum(1) / count_BO;
  return torch::cat({mean_BD, (variance_BD + 1e-10).sqrt()}, 1);  // a root's slope at 0 is infinite
}

ProbeModel::ProbeModel(const ProbeConfig& config, uint64_t seed, int64_t classes) : config_(config) {
  const std::string& type = config.encoder.part.type;
  encoders_ = register_module("encoders", std::make_shared<torch::nn::Module>());
  encoder = encoder_registry().build(config.encoder.part, {seed, type, 0});
  encoders_->register_module(type, encoder);
  if (const auto layer = layer_number(config.layer); layer && *layer >= encoder->num_states())
    user_error("'recipe.layer' is {}, but {} has the hidden states 0 (its input) to {}.", *layer, type,
               encoder->num_states() - 1);
  seed_default_generators(draw_key(seed, "init", "probe"));
  if (config.layer == "all") shares_ = register_parameter("shares", torch::zeros({encoder->num_states()}));
  int64_t width = encoder->width() * (config.pooling == Pooling::kMeanStd ? 2 : 1);
  if (config.hidden) {
    hidden_ = register_module("hidden", nn::Linear(width, *config.hidden));
    width = *config.hidden;
  }
  head_ = register_module("head", nn::Linear(width, classes));
  if (config.encoder.train == Train::kFull) return;
  for (auto& parameter : encoder->parameters()) parameter.requires_grad_(false);
  if (config.encoder.train == Train::kLora) nn::attach_lora(*encoder, config.encoder.lora, seed, type);
}

void ProbeModel::set_training(bool on) {
  train(on);
  if (config_.encoder.train == Train::kFrozen) encoder->eval();
}

// An encoder may be kept in a lower type; what follows it is in fp32.
Frames ProbeModel::encode(const data::Batch& batch) {
  const auto steps_B = batch.field("steps").data.squeeze(1);
  EncoderOutput out;
  {
    torch::AutoGradMode mode(config_.encoder.train != Train::kFrozen && torch::GradMode::is_enabled());
    out = encoder->forward(batch.field("audio").data, steps_B, config_.layer != "last");
  }
  if (const auto layer = layer_number(config_.layer))
    return {out.states_BTD.at(static_cast<size_t>(*layer)).to(torch::kFloat), out.lengths_B, out.hz};
  if (config_.layer == "last") return {out.last().x_BTD.to(torch::kFloat), out.lengths_B, out.hz};
  const auto shares = shares_.softmax(0);
  torch::Tensor sum_BTD;
  for (size_t i = 0; i < out.states_BTD.size(); ++i) {
    const auto part_BTD = shares[static_cast<int64_t>(i)] * out.states_BTD[i].to(torch::kFloat);
    sum_BTD = i == 0 ? part_BTD : sum_BTD + part_BTD;
  }
  return {sum_BTD, out.lengths_B, out.hz};
}

torch::Tensor ProbeModel::pooled(const data::Batch& batch) {
  return pool_frames(encode(batch), config_.pooling == Pooling::kMeanStd);
}

torch::Tensor ProbeModel::forward(const data::Batch& batch) {
  auto x_BD = pooled(batch);
  if (!hidden_.is_empty()) x_BD = torch::relu(hidden_(x_BD));
  return head_(torch::dropout(x_BD, config_.dropout, is_training()));
}

}  // namespace usam::recipes
