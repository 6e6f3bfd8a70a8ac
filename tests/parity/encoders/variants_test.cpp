// Folders beyond those of peer/make_oracles.py (make_variants.py writes them): wav2vec 2.0, models with heads, MERT
// 330M, other types on disk, checkpoints that tools/convert_bin.py converted.
#include "src/models/ced/model.h"
#include "src/models/mert/model.h"
#include "src/models/whisper/model.h"
#include "tests/parity/encoders/golden.h"

namespace usam {
namespace {

using namespace test;

template <class Config>
Config config_of(const std::string& name) {
  Config config;
  config.source.path.value = oracle("variants/" + name);
  return config;
}

class SpeechVariant : public testing::TestWithParam<std::string> {};

TEST_P(SpeechVariant, StatesOfAClip) {
  USAM_NEEDS_ORACLES();
  const torch::NoGradGuard no_grad;
  const auto file = golden("variants/" + GetParam());
  const auto wave = file.get("clip/features");
  const auto encoder = make_mert(config_of<MertConfig>(GetParam()), {});
  const auto output = encoder->forward(wave, lengths({wave.size(1)}), /*all_states=*/true);
  EXPECT_EQ(output.states_BTD.size(), 4u);
  expect_states(output, file, "clip");
}

INSTANTIATE_TEST_SUITE_P(Folders, SpeechVariant,
                         testing::Values("wav2vec2-ctc", "wav2vec2-layer", "hubert-ctc", "mert-330m"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(WhisperVariant, BFloat16OnDisk) {
  USAM_NEEDS_ORACLES();
  const torch::NoGradGuard no_grad;
  const auto file = golden("variants/whisper-bf16");
  const auto features = file.get("clip/features").transpose(1, 2);
  auto config = config_of<WhisperConfig>("whisper-bf16");
  config.pad = WhisperPad::kThirtySeconds;
  expect_states(make_whisper(config, {})->forward(features, lengths({3000}), true), file, "clip");
  // Kept as it is on disk it computes as the reference in bfloat16 does, up to the rounding of 8 bits.
  config.source.dtype = KeptDtype::kAuto;
  const auto low = make_whisper(config, {})->forward(features, lengths({3000}), false).last_BTD;
  EXPECT_EQ(low.scalar_type(), torch::kBFloat16);
  EXPECT_LT(noted_error("whisper-bf16", "output in bfloat16", low, file.get("clip/last_hidden_low")).relative, 0.03);
}

TEST(CedVariant, ThePublishedCheckpointConverted) {
  USAM_NEEDS_ORACLES();
  const torch::NoGradGuard no_grad;
  const auto file = golden("ced");
  const auto encoder = make_ced(config_of<CedConfig>("ced-upstream"), {});
  expect_states(encoder->forward_published(file.get("odd/mel").transpose(1, 2), true), file, "odd");
}

// Every encoder runs in a lower type from end to end.
TEST(EncoderVariants, KeptInALowerType) {
  USAM_NEEDS_ORACLES();
  const torch::NoGradGuard no_grad;
  for (const KeptDtype dtype : {KeptDtype::kBFloat16, KeptDtype::kFloat16}) {
    const double tolerance = dtype == KeptDtype::kFloat16 ? 0.01 : 0.05;
    CedConfig ced;
    ced.source.path.value = oracle("ced");
    ced.source.dtype = dtype;
    const auto ced_file = golden("ced");
    const auto tokens = make_ced(ced, {})->forward_published(ced_file.get("odd/mel").transpose(1, 2), false);
    EXPECT_LT(relative_error(tokens.last_BTD, ced_file.get("odd/last_hidden")), tolerance);
    for (const std::string name : {"mert", "hubert-layer"}) {
      MertConfig mert;
      mert.source.path.value = oracle(name);
      mert.source.dtype = dtype;
      const auto file = golden(name);
      const auto wave = file.get("odd/input_values");
      const auto output = make_mert(mert, {})->forward(wave, lengths({wave.size(1)}), false);
      EXPECT_LT(relative_error(output.last_BTD, file.get("odd/last_hidden")), tolerance) << name;
    }
  }
}

}  // namespace
}  // namespace usam
