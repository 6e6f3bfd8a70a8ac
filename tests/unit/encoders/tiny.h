#pragma once
// Tiny random encoders, and the checks that every encoder must pass.
#include <torch/torch.h>

#include "src/models/ced/model.h"
#include "src/models/mert/model.h"
#include "src/models/whisper/model.h"
#include "src/tensor/rng.h"
#include "tests/support.h"

namespace usam::test {

template <class Config>
Config tiny() {
  Config config;
  config.source.init = Init::kRandom;
  config.shape = {.width = 16, .layers = 2, .heads = 2, .ffn = {}};
  return config;
}

inline std::shared_ptr<WhisperEncoder> tiny_whisper(WhisperPad pad = WhisperPad::kClip, uint64_t seed = 1) {
  auto config = tiny<WhisperConfig>();
  config.pad = pad;
  return make_whisper(config, {.seed = seed, .name = "whisper"});
}

inline std::shared_ptr<CedEncoder> tiny_ced(CedBands bands = CedBands::kInterleave, uint64_t seed = 1) {
  auto config = tiny<CedConfig>();
  config.bands = bands;
  return make_ced(config, {.seed = seed, .name = "ced"});
}

inline std::shared_ptr<MertEncoder> tiny_mert(uint64_t seed = 1) {
  return make_mert(tiny<MertConfig>(), {.seed = seed, .name = "mert"});
}

// Random values, the same for one seed.
inline torch::Tensor noise(std::vector<int64_t> shape, uint64_t seed) {
  return torch::randn(shape, generator(draw_key(seed, "noise")));
}

// Encodes rows of `lengths` steps together, with rubbish in the padding, and one by one; the states must agree.
inline void expect_batch_invariance(AudioEncoder& encoder, const std::vector<int64_t>& lengths, double scale,
                                    double offset) {
  const torch::NoGradGuard no_grad;
  const int64_t rows = std::ssize(lengths), size = *std::max_element(lengths.begin(), lengths.end());
  const auto spec = encoder.front_end();
  std::vector<int64_t> shape = {rows, size};
  if (const auto* mel = std::get_if<WhisperMelSpec>(&spec)) shape.push_back(mel->mels);
  if (std::holds_alternative<CedMelSpec>(spec)) shape.push_back(64);
  const auto features = noise(shape, 5) * scale + offset;
  const auto together = encoder.forward(features, torch::tensor(lengths, torch::kInt64), true);
  for (int64_t b = 0; b < rows; ++b) {
    const int64_t length = lengths[static_cast<size_t>(b)];
    const auto alone = encoder.forward(features.narrow(0, b, 1).narrow(1, 0, length), torch::tensor({length}), true);
    const int64_t frames = alone.last_BTD.size(1);
    EXPECT_EQ(together.lengths_B[b].item<int64_t>(), frames) << "row " << b;
    EXPECT_TRUE(alone.last().valid_BT().all().item<bool>());
    const auto check = [&](const torch::Tensor& batched_BTD, const torch::Tensor& single_BTD) {
      const auto difference = (batched_BTD[b].narrow(0, 0, frames) - single_BTD[0]).abs().max().item<double>();
      EXPECT_LT(difference, 1e-5 * std::max(1.0, single_BTD.abs().max().item<double>())) << "row " << b;
    };
    for (size_t i = 0; i < alone.states_BTD.size(); ++i) check(together.states_BTD[i], alone.states_BTD[i]);
    check(together.last_BTD, alone.last_BTD);
    EXPECT_TRUE(torch::isfinite(together.last_BTD).all().item<bool>());
  }
}

// Every parameter gets a gradient, and train mode computes what eval mode does (no dropout, no batch statistics).
inline void expect_trains_without_noise(AudioEncoder& encoder, const torch::Tensor& features,
                                        const torch::Tensor& lengths_B) {
  encoder.eval();
  const auto quiet = encoder.forward(features, lengths_B, false).last_BTD.detach().clone();
  encoder.train();
  const auto output = encoder.forward(features, lengths_B, true);
  EXPECT_TRUE(torch::equal(output.last_BTD, quiet));
  EXPECT_EQ(std::ssize(output.states_BTD), encoder.num_states());
  EXPECT_EQ(output.last_BTD.size(2), encoder.width());
  EXPECT_EQ(output.hz, encoder.hz());
  (output.last_BTD * noise(output.last_BTD.sizes().vec(), 9)).sum().backward();
  for (const auto& entry : encoder.named_parameters()) {
    ASSERT_TRUE(entry.value().grad().defined()) << entry.key();
    EXPECT_TRUE(torch::isfinite(entry.value().grad()).all().item<bool>()) << entry.key();
    // A key's bias shifts all scores of a query alike, so its gradient is zero but for rounding.
    if (!entry.key().ends_with("k_proj.bias")) {
      EXPECT_GT(entry.value().grad().abs().max().item<double>(), 0) << entry.key();
    }
  }
  EXPECT_TRUE(torch::equal(encoder.forward(features, lengths_B, false).last_BTD, quiet));
}

// Values depend on (seed, name, path) alone.
inline void expect_same_values(torch::nn::Module& a, torch::nn::Module& b, bool same) {
  for (const auto& entry : a.named_parameters()) {
    if (entry.value().dim() < 2) continue;
    EXPECT_EQ(torch::equal(entry.value(), b.named_parameters()[entry.key()]), same) << entry.key();
    EXPECT_GT(entry.value().std().item<double>(), 0) << entry.key();
  }
}

}  // namespace usam::test
