// T frames, F frequency bins, M mel bands.
#include "data/features/mel_filters.h"
#include "data/features/mel_spectrum.h"
#include "tests/support.h"

namespace usam::data {
namespace {

// The same in double precision, in one piece.
torch::Tensor expected(const torch::Tensor& samples, int64_t transform, int64_t hop, const torch::Tensor& filters_FM) {
  const torch::Tensor window = torch::hann_window(transform).to(torch::kFloat64);
  const torch::Tensor spectrum_FT = torch::stft(samples.to(torch::kFloat64), transform, hop, transform, window, true,
                                                "reflect", false, true, /*return_complex=*/true);
  return spectrum_FT.abs().pow(2).t().matmul(filters_FM.to(torch::kFloat64)).clamp_min(1e-10);
}

// Any number of frames, whole eights of them or not, in one block or in several.
TEST(MelSpectrum, IsThatOfTheTransformInDoublePrecision) {
  torch::manual_seed(3);
  for (const auto& [transform, hop] :
       std::vector<std::pair<int64_t, int64_t>>{{400, 160}, {512, 160}, {40, 7}, {8, 3}}) {
    const torch::Tensor filters_FM = htk_mel_filters(16000, transform, 5, 8000);
    const MelSpectrum mels(transform, hop, filters_FM);
    for (const int64_t n : {transform / 2 + 1, 7 * hop + transform, 8 * hop + transform, 200 * hop + 3}) {
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

TEST(MelSpectrum, OfSilenceIsTheFloor) {
  const MelSpectrum mels(512, 160, htk_mel_filters(16000, 512, 64, 8000));
  const torch::Tensor silence = torch::zeros({16000});
  EXPECT_TRUE((mels(floats_of(silence), 101) == 1e-10f).all().item<bool>());
}

}  // namespace
}  // namespace usam::data
