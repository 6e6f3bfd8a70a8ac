// Front ends and resampling against transformers, CED's own front end and python-soxr (goldens of
// peer/make_oracles.py). T frames, M mel bands.
#include "data/features/front_end.h"

#include <fmt/format.h>

#include "data/audio/resample.h"
#include "data/features/mel_filters.h"
#include "src/base/error.h"
#include "src/io/safetensors.h"
#include "tests/parity/note.h"
#include "tests/support.h"

namespace usam::data {
namespace {

constexpr double kScaleTolerance = 2e-5, kDecibelTolerance = 2e-3;

io::SafetensorsFile golden(const std::string& folder) {
  return io::SafetensorsFile((test::oracle_folder() / folder / "golden.safetensors").string());
}

double largest_difference(const torch::Tensor& a, const torch::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  if (a.sizes() != b.sizes()) return INFINITY;
  return (a - b).abs().max().item<double>();
}

double scale(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

class WhisperParity : public testing::TestWithParam<std::pair<const char*, int64_t>> {};

TEST_P(WhisperParity, ThirtySeconds) {
  USAM_NEEDS_ORACLES();
  const auto [folder, mels] = GetParam();
  const auto file = golden(folder);
  const auto front_end = make_front_end(WhisperMelSpec{16000, mels, true});
  for (const char* clip : {"short", "one", "odd", "full", "over", "silence", "clipped"}) {
    const torch::Tensor expected_TM = file.get(fmt::format("{}/features", clip))[0].t();
    const torch::Tensor found_TM = (*front_end)(file.get(fmt::format("{}/waveform", clip)));
    EXPECT_LE(test::noted_error(folder, "features", found_TM, expected_TM).relative, kScaleTolerance) << clip;
  }
}

TEST_P(WhisperParity, ClipIsThePaddedSpectrogramCut) {
  USAM_NEEDS_ORACLES();
  const auto [folder, mels] = GetParam();
  const auto file = golden(folder);
  const auto front_end = make_front_end(WhisperMelSpec{16000, mels, false});
  for (const char* clip : {"short", "one", "odd", "full", "silence", "clipped"}) {
    const torch::Tensor samples = file.get(fmt::format("{}/waveform", clip));
    const int64_t frames = 2 * ((samples.numel() + 319) / 320);
    const torch::Tensor expected_TM = file.get(fmt::format("{}/features", clip))[0].t().slice(0, 0, frames);
    const torch::Tensor found_TM = (*front_end)(samples);
    EXPECT_LE(largest_difference(found_TM, expected_TM), kScaleTolerance * scale(expected_TM)) << clip;
  }
}

TEST_P(WhisperParity, MelFilters) {
  USAM_NEEDS_ORACLES();
  const auto [folder, mels] = GetParam();
  const torch::Tensor expected = golden(folder).get("filters/mel_filters");
  EXPECT_LE(largest_difference(slaney_mel_filters(16000, 400, mels, 8000), expected), 1e-6 * scale(expected));
}

INSTANTIATE_TEST_SUITE_P(Sizes, WhisperParity,
                         testing::Values(std::pair<const char*, int64_t>("whisper", 80),
                                         std::pair<const char*, int64_t>("whisper-v3", 128)));

// Around the frame and chunk borders, and with the loudest moment in the last samples, where a window that reaches past
// the clip decides the floor.
TEST(WhisperMel, ClipEqualsThirtySecondsAtAnyLength) {
  const auto clip = make_front_end(WhisperMelSpec{16000, 80, false});
  const auto whole = make_front_end(WhisperMelSpec{16000, 80, true});
  torch::manual_seed(1);
  for (const int64_t n : {1,   2,    159,   160,   161,    199,    200,    201,    319,    320,    321,
                          400, 1280, 16000, 16001, 479360, 479520, 479799, 479800, 479801, 479999, 480000}) {
    torch::Tensor samples = 1e-4 * torch::randn({n});
    samples.slice(0, std::max<int64_t>(0, n - 5)).mul_(1e4);
    const torch::Tensor found_TM = (*clip)(samples);
    EXPECT_EQ(found_TM.size(0), 2 * ((n + 319) / 320)) << n;
    const torch::Tensor expected_TM = (*whole)(samples).slice(0, 0, found_TM.size(0));
    EXPECT_LE(largest_difference(found_TM, expected_TM), 2e-6) << n;
  }
}

TEST(WhisperMel, RefusesMoreThanThirtySeconds) {
  const auto clip = make_front_end(WhisperMelSpec{16000, 80, false});
  EXPECT_EQ(test::message_of([&] { (*clip)(torch::zeros({480001})); }),
            "Whisper takes at most 30 s of audio, the clip has 30.00 s; set data.max_seconds to 30 or less");
}

TEST(CedParity, Spectrograms) {
  USAM_NEEDS_ORACLES();
  const auto file = golden("ced");
  const auto front_end = make_front_end(CedMelSpec{});
  for (const char* clip : {"one", "odd", "max", "over", "long", "exact2", "silence"}) {
    const torch::Tensor samples = file.get(fmt::format("{}/waveform", clip));
    const torch::Tensor expected_TM = file.get(fmt::format("{}/mel", clip))[0].t();
    const torch::Tensor found_TM = (*front_end)(samples);
    EXPECT_EQ(found_TM.size(0), samples.numel() / 160 + 1);
    EXPECT_LE(test::noted_error("ced", "features (dB)", found_TM, expected_TM).absolute, kDecibelTolerance) << clip;
  }
  // The floor hangs on the clip's own peak, not on its neighbours'.
  for (int i = 0; i < 3; ++i) {
    const torch::Tensor samples = file.get(fmt::format("batch/waveform.{}", i));
    const torch::Tensor expected_TM = file.get("batch/mel")[i].t().slice(0, 0, samples.numel() / 160 + 1);
    EXPECT_LE(largest_difference((*front_end)(samples), expected_TM), kDecibelTolerance) << i;
  }
}

TEST(CedParity, MelFilters) {
  USAM_NEEDS_ORACLES();
  EXPECT_LE(largest_difference(htk_mel_filters(16000, 512, 64, 8000), golden("ced").get("front_end/mel_filters")),
            1e-6);
}

TEST(WaveParity, NormalisedWaves) {
  USAM_NEEDS_ORACLES();
  for (const auto& [folder, rate] : {std::pair<const char*, int64_t>{"mert", 24000}, {"hubert-layer", 16000}}) {
    const auto file = golden(folder);
    const auto front_end = make_front_end(WaveSpec{rate, true});
    for (const char* clip : {"one", "odd", "tiny"}) {
      const torch::Tensor expected = file.get(fmt::format("{}/input_values", clip))[0];
      const torch::Tensor found = (*front_end)(file.get(fmt::format("{}/waveform", clip)));
      EXPECT_LE(test::noted_error(folder, "features", found, expected).relative, kScaleTolerance) << folder << clip;
    }
  }
}

TEST(Wave, LeavesTheWaveAloneUnlessAsked) {
  const torch::Tensor samples = torch::randn({100});
  EXPECT_TRUE(torch::equal((*make_front_end(WaveSpec{24000, false}))(samples), samples));
  const torch::Tensor silence = (*make_front_end(WaveSpec{24000, true}))(torch::zeros({100}));
  EXPECT_TRUE(torch::equal(silence, torch::zeros({100})));
}

TEST(ResampleParity, Soxr) {
  USAM_NEEDS_ORACLES();
  const auto file = golden("resample");
  for (const auto& [from, to] :
       {std::pair{16000, 24000}, {24000, 16000}, {44100, 16000}, {48000, 16000}, {22050, 24000}, {8000, 16000}}) {
    const std::string name = fmt::format("{}_{}", from, to);
    const torch::Tensor expected = file.get(name + "/resampled");
    const torch::Tensor found = audio::resample(file.get(name + "/waveform"), from, to);
    EXPECT_LE(test::noted_error("soxr", "resampled " + name, found, expected).relative, kScaleTolerance) << name;
  }
}

}  // namespace
}  // namespace usam::data
