#include "src/models/whisper/model.h"
#include "tests/parity/encoders/golden.h"

namespace usam {
namespace {

using namespace test;

std::shared_ptr<WhisperEncoder> load(const std::string& name, WhisperPad pad) {
  WhisperConfig config;
  config.source.path.value = oracle(name);
  config.pad = pad;
  return make_whisper(config, {});
}

void check_thirty_seconds(const std::string& name) {
  const torch::NoGradGuard no_grad;
  const auto file = golden(name);
  const auto encoder = load(name, WhisperPad::kThirtySeconds);
  for (const std::string clip : {"odd", "over"}) {
    const int64_t frames = encoder->output_frames(file.get(clip + "/waveform").numel());
    const auto features = file.get(clip + "/features").transpose(1, 2);
    const auto output = encoder->forward(features, lengths({2 * frames}), /*all_states=*/true);
    EXPECT_EQ(output.states_BTD.size(), 4u);
    EXPECT_EQ(output.lengths_B.sum().item<int64_t>(), clip == "odd" ? 257 : 1500);
    expect_states(output, file, clip);
  }
}

TEST(WhisperParity, ThirtySeconds) {
  USAM_NEEDS_ORACLES();
  check_thirty_seconds("whisper");
}

TEST(WhisperParity, ThirtySecondsOfTheLargeLayout) {
  USAM_NEEDS_ORACLES();  // 128 bands, half precision on disk, tensors without `model.`
  check_thirty_seconds("whisper-v3");
}

TEST(WhisperParity, ClipsOfTheirTrueLength) {
  USAM_NEEDS_ORACLES();
  const torch::NoGradGuard no_grad;
  const auto file = golden("usam", "golden_qwen2_perclip.safetensors");
  const auto frames = file.get("batch/whisper_frames");
  const auto output = load("whisper", WhisperPad::kClip)
                          ->forward(file.get("batch/whisper_mel").transpose(1, 2), frames * 2, /*all_states=*/false);
  EXPECT_TRUE(torch::equal(output.lengths_B, frames));
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t n = frames[b].item<int64_t>();
    EXPECT_LT(relative_error(clip(output.last_BTD, b, n), clip(file.get("enc/whisper"), b, n)), kStates);
  }
}

}  // namespace
}  // namespace usam
