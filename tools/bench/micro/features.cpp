#include <benchmark/benchmark.h>

#include "data/audio/resample.h"
#include "data/features/front_end.h"
#include "tools/bench/micro/micro.h"

namespace usam::bench {
namespace {

// "items" are seconds of audio.
void count_audio(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void front_end(benchmark::State& state, const FrontEndSpec& spec) {
  const torch::NoGradGuard no_grad;
  const auto features = data::make_front_end(spec);
  const auto wave = torch::randn({state.range(0) * sample_rate(spec)}) * 0.1;
  for (auto _ : state) benchmark::DoNotOptimize((*features)(wave));
  count_audio(state);
}

void resample(benchmark::State& state, decltype(data::audio::resample)* by, double from, double to) {
  const auto wave = torch::randn({state.range(0) * static_cast<int64_t>(from)}) * 0.1;
  for (auto _ : state) benchmark::DoNotOptimize(by(wave, from, to));
  count_audio(state);
}

}  // namespace

void register_features() {
  const auto add = [](const char* name, auto function, auto... arguments) {
    benchmark::RegisterBenchmark(name, function, arguments...)->Arg(1)->Arg(10)->Unit(benchmark::kMicrosecond);
  };
  add("whisper_mel", front_end, FrontEndSpec(WhisperMelSpec{}));
  add("whisper_mel_30s", front_end, FrontEndSpec(WhisperMelSpec{.thirty_seconds = true}));
  add("ced_mel", front_end, FrontEndSpec(CedMelSpec{}));
  add("mert_wave", front_end, FrontEndSpec(WaveSpec{}));
  add("resample_44100_16000", resample, data::audio::resample, 44100.0, 16000.0);
  add("resample_16000_24000", resample, data::audio::resample, 16000.0, 24000.0);
  add("resample_nearly_16000_24000", resample, data::audio::resample_nearly, 16000.0, 24000.0);
}

}  // namespace usam::bench
