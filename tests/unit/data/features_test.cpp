// T frames, F frequency bins, M mel bands.
#include "data/features/mel_filters.h"
#include "data/features/mel_spectrum.h"
#include "src/base/error.h"
#include "tests/support.h"

namespace usam::data {
namespace {

using Instructions = MelSpectrum::Instructions;

// The same in double precision, in one piece.
torch::Tensor expected(const torch::Tensor& samples, int64_t transform, int64_t hop, const torch::Tensor& filters_FM) {
  const torch::Tensor window = torch::hann_window(transform).to(torch::kFloat64);
  const torch::Tensor spectrum_FT = torch::stft(samples.to(torch::kFloat64), transform, hop, transform, window, true,
                                                "reflect", false, true, /*return_complex=*/true);
  return spectrum_FT.abs().pow(2).t().matmul(filters_FM.to(torch::kFloat64)).clamp_min(1e-10);
}

class MelSpectra : public testing::TestWithParam<Instructions> {};

// Any number of frames, whole eights of them or not; lengths with every kind of factor.
TEST_P(MelSpectra, AreThoseOfTheTransformInDoublePrecision) {
  torch::manual_seed(3);
  for (const auto& [transform, hop] :
       std::vector<std::pair<int64_t, int64_t>>{{400, 160}, {512, 160}, {40, 7}, {8, 3}}) {
    const torch::Tensor filters_FM = htk_mel_filters(16000, transform, 5, 8000);
    const MelSpectrum mels(transform, hop, filters_FM, GetParam());
    for (const int64_t n : {transform / 2 + 1, 7 * hop + transform, 8 * hop + transform, 50 * hop + 3}) {
      const torch::Tensor samples = torch::randn({n});
      const torch::Tensor expected_TM = expected(samples, transform, hop, filters_FM);
      for (const int64_t frames : {int64_t{1}, expected_TM.size(0)}) {
        const torch::Tensor found_TM = mels(floats_of(samples), frames);
        const torch::Tensor apart_TM = (found_TM - expected_TM.slice(0, 0, frames)).abs() / expected_TM.max();
        EXPECT_EQ(found_TM.size(0), frames);
        EXPECT_LE(apart_TM.max().item<double>(), 1e-6) << transform << " " << n;
      }
    }
  }
}

TEST_P(MelSpectra, OfSilenceAreTheFloor) {
  const MelSpectrum mels(512, 160, htk_mel_filters(16000, 512, 64, 8000), GetParam());
  const torch::Tensor silence = torch::zeros({16000});
  EXPECT_TRUE((mels(floats_of(silence), 101) == 1e-10f).all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Instructions, MelSpectra, testing::Values(Instructions::kBest, Instructions::kPlain));

TEST(MelSpectrum, RefusesOtherLengths) {
  const auto message = [](int64_t transform) {
    return test::message_of([&] { MelSpectrum(transform, 1, torch::zeros({transform / 2 + 1, 1})); });
  };
  EXPECT_EQ(message(10), "a transform of 10 is no multiple of 4");
  EXPECT_EQ(message(28), "a transform of 28 has prime factors other than 2 and 5");
}

}  // namespace
}  // namespace usam::data
