#include "tests/unit/encoders/tiny.h"

namespace usam {
namespace {

using namespace test;

TEST(Whisper, AClipIsTheSameAloneAndInABatch) {
  expect_batch_invariance(*tiny_whisper(), {90, 200, 2, 136, 77}, 1, 0);
}

TEST(Whisper, TrainsWithoutNoise) {
  expect_trains_without_noise(*tiny_whisper(), noise({2, 60, 80}, 1), torch::tensor({60, 34}));
}

TEST(Whisper, RandomValuesDependOnSeedAndNameOnly) {
  const auto first = tiny_whisper();
  torch::manual_seed(77);
  expect_same_values(*first, *tiny_whisper(), true);
  expect_same_values(*first, *tiny_whisper(WhisperPad::kClip, 2), false);
  expect_same_values(*first, *make_whisper(tiny<WhisperConfig>(), {.seed = 1, .name = "other"}), false);
}

TEST(Whisper, ValidFramesAreTheClipsOwn) {  // defect 5: the 30 s grid is squeezed onto the clip's frames
  const torch::NoGradGuard no_grad;
  const auto encoder = tiny_whisper();
  for (const int64_t samples : {1, 320, 321, 2400, 16000, 48001}) {
    const int64_t frames = 2 * ((samples + 319) / 320);
    const auto output = encoder->forward(noise({1, frames, 80}, 2), torch::tensor({frames}), false);
    EXPECT_EQ(output.lengths_B.sum().item<int64_t>(), encoder->output_frames(samples));
    EXPECT_EQ(output.last_BTD.size(1), (samples + 319) / 320);
  }
  const auto full = tiny_whisper(WhisperPad::kThirtySeconds);
  const auto output = full->forward(noise({1, 3000, 80}, 2), torch::tensor({100}), false);
  EXPECT_EQ(output.last_BTD.size(1), 1500);
  EXPECT_EQ(output.lengths_B.sum().item<int64_t>(), 50);
  EXPECT_EQ(full->output_frames(16000), 50);
  EXPECT_EQ(full->output_frames(31 * 16000), 1500);
  EXPECT_EQ(full->front_end(), FrontEndSpec(WhisperMelSpec{16000, 80, true}));
  EXPECT_EQ(encoder->front_end(), FrontEndSpec(WhisperMelSpec{16000, 80, false}));
}

TEST(Whisper, ThirtySecondsAttendsToThePaddingAsTheReferenceDoes) {
  const torch::NoGradGuard no_grad;
  const auto encoder = tiny_whisper(WhisperPad::kThirtySeconds);
  const auto features = noise({1, 3000, 80}, 2);
  auto changed = features.clone();
  changed.narrow(1, 200, 2800).fill_(-1);
  const auto length = torch::tensor({100});
  EXPECT_FALSE(torch::allclose(encoder->forward(features, length, false).last_BTD.narrow(1, 0, 50),
                               encoder->forward(changed, length, false).last_BTD.narrow(1, 0, 50)));
}

TEST(Whisper, PositionsAreTheReferences) {
  const auto table = whisper_positions(1500, 64);
  EXPECT_NEAR(table[7][0].item<double>(), std::sin(7), 1e-5);
  EXPECT_NEAR(table[7][31].item<double>(), std::sin(7e-4), 1e-6);
  EXPECT_NEAR(table[7][32].item<double>(), std::cos(7), 1e-5);
  EXPECT_NEAR(table[1499][63].item<double>(), std::cos(0.1499), 1e-5);
}

TEST(Whisper, AClipBeyondThirtySecondsIsRefused) {
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(message_of([] { tiny_whisper()->forward(noise({1, 3002, 80}, 2), torch::tensor({3002}), false); }),
            "the Whisper encoder takes at most 30 s of audio and was given 31 s; set data.max_seconds to 30");
}

}  // namespace
}  // namespace usam
