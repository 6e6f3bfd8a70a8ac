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

torch::Tensor log_mels(const MelSpectrum& mels, const torch::Tensor& samples, int64_t length, int64_t frames) {
  torch::Tensor logs_TM = torch::full({frames, mels.mels()}, NAN);
  mels(floats_of(samples), length, floats_of(logs_TM));
  return logs_TM;
}

// To the last bit of a logarithm. Any number of frames, whole sixteens of them or not, in one block or in several; of
// samples and of bands too.
TEST(MelSpectrum, AreThoseOfTheTransformInDoublePrecision) {
  torch::manual_seed(3);
  for (const auto& [transform, hop] :
       std::vector<std::pair<int64_t, int64_t>>{{400, 160}, {512, 160}, {40, 7}, {8, 3}}) {
    for (const int64_t bands : {5, 16, 37}) {
      const torch::Tensor filters_FM = htk_mel_filters(16000, transform, bands, 8000);
      const MelSpectrum mels(transform, hop, filters_FM);
      for (const int64_t n : {transform / 2 + 1, 15 * hop + transform, 16 * hop + transform, 200 * hop + 3}) {
        const torch::Tensor samples = torch::randn({n});
        const torch::Tensor expected_TM = expected(samples, transform, hop, filters_FM);
        for (const int64_t frames : {int64_t{1}, expected_TM.size(0)}) {
          const torch::Tensor found_TM = torch::pow(10, log_mels(mels, samples, n, frames).to(torch::kFloat64));
          const torch::Tensor apart_TM = (found_TM - expected_TM.slice(0, 0, frames)).abs() / expected_TM.max();
          EXPECT_EQ(found_TM.size(0), frames);
          EXPECT_LE(apart_TM.max().item<double>(), 2e-6) << transform << " " << n;
        }
      }
    }
  }
}

// What lies behind the samples up to the given length is zeros that nobody had to write.
TEST(MelSpectrum, GoOnWithZeros) {
  const MelSpectrum mels(400, 160, slaney_mel_filters(16000, 400, 80, 8000));
  for (const int64_t n : {1, 150, 400, 3000, 8000}) {
    const torch::Tensor samples = torch::randn({n});
    const torch::Tensor padded = torch::constant_pad_nd(samples, {0, 8000 - n});
    EXPECT_TRUE(torch::equal(log_mels(mels, samples, 8000, 51), log_mels(mels, padded, 8000, 51))) << n;
  }
}

TEST(MelSpectrum, OfSilenceAreTheFloor) {
  const MelSpectrum mels(512, 160, htk_mel_filters(16000, 512, 64, 8000));
  EXPECT_LE((log_mels(mels, torch::zeros({16000}), 16000, 101) + 10).abs().max().item<double>(), 1e-6);
}

TEST(Lanes, Transpose) {
  torch::Tensor x = torch::arange(256, torch::kFloat32).view({16, 16});
  Float16Lanes rows[16];
  const auto at = [&](int64_t i) { return reinterpret_cast<Float16Lanes*>(x.data_ptr<float>()) + i; };
  for (int64_t i = 0; i < 16; ++i) rows[i] = *at(i);
  widest([&]() USAM_INLINE { transpose(rows); });
  const torch::Tensor expected = x.t().contiguous();
  for (int64_t i = 0; i < 16; ++i) *at(i) = rows[i];
  EXPECT_TRUE(torch::equal(x, expected));
}

// With the widest vectors, with 256 bits and as any processor can.
TEST(Lanes, Logarithms) {
  const torch::Tensor x = torch::pow(10, torch::linspace(-10, 17, 16 * 20000, torch::kFloat64)).to(torch::kFloat32);
  const torch::Tensor expected = x.to(torch::kFloat64).log10();
  const auto check = [&](const auto& run) {
    torch::Tensor logs = x.clone();
    auto* lanes = reinterpret_cast<Float16Lanes*>(logs.data_ptr<float>());
    run([&]() USAM_INLINE {
      for (int64_t i = 0; i < 20000; ++i) log10_of(lanes[i]);
    });
    EXPECT_LE(((logs - expected).abs() / expected.abs().clamp_min(1)).max().item<double>(), 2e-7);
  };
  check([](const auto& body) { body(); });
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    check([](const auto& body) { wide::run_256(body); });
#endif
  check([](const auto& body) { widest(body); });
}

}  // namespace
}  // namespace usam::data
