#include "tools/inspect/data/audio_check.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "data/audio/decode.h"
#include "data/manifest.h"
#include "src/base/error.h"

namespace usam::inspect {
namespace {

constexpr double kPieceSeconds = 300;
constexpr double kClippingLevel = 0.5;  // recordings are clipped before they are turned down, too
constexpr int64_t kClippingRun = 3;

// Adds up what WaveFacts tells, sample by sample.
class WaveSums {
 public:
  WaveSums() : hash_(XXH3_createState(), &XXH3_freeState) { XXH3_64bits_reset(hash_.get()); }

  void add(const torch::Tensor& samples) {
    const auto* x = samples.const_data_ptr<float>();
    XXH3_64bits_update(hash_.get(), x, static_cast<size_t>(samples.numel()) * sizeof(float));
    for (int64_t i = 0; i < samples.numel(); ++i) add(x[i]);
  }

  WaveFacts facts() const {
    WaveFacts facts;
    const auto n = static_cast<double>(std::max<int64_t>(count_, 1));
    facts.peak = std::max(high_.level, -low_.level);
    facts.mean = sum_ / n;
    facts.rms = std::sqrt(squares_ / n);
    for (const Extreme& extreme : {high_, low_})
      if (std::abs(extreme.level) >= kClippingLevel) facts.clipped += static_cast<double>(extreme.in_runs) / n;
    facts.hash = XXH3_64bits_digest(hash_.get());
    return facts;
  }

 private:
  // The highest or the lowest sample so far, and how many samples in runs have its value.
  struct Extreme {
    double level = 0;
    int64_t run = 0, in_runs = 0;

    void see(double x, double sign) {
      if (sign * x > sign * level) *this = {x, 0, 0};
      run = x == level ? run + 1 : 0;
      if (run >= kClippingRun) in_runs += run == kClippingRun ? kClippingRun : 1;
    }
  };

  void add(double x) {
    ++count_;
    sum_ += x;
    squares_ += x * x;
    high_.see(x, 1);
    low_.see(x, -1);
  }

  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> hash_;
  int64_t count_ = 0;
  double sum_ = 0, squares_ = 0;
  Extreme high_, low_;
};

void read_header(const data::Row& row, AudioFacts& facts) {
  const auto [info, seconds] = data::probe_row(row);
  facts.sample_rate = info.sample_rate;
  facts.channels = info.channels;
  facts.format = info.format;
  facts.seconds = seconds;
}

// The length is that of the decoded samples: a lossy file may end before its header says.
void read_samples(const data::Row& row, AudioFacts& facts) {
  WaveSums sums;
  const double begin = row.audio().is_part ? row.audio().offset : 0, asked = facts.seconds;
  int64_t samples = 0;
  for (double at = 0; at + 0.5 / static_cast<double>(facts.sample_rate) < asked; at += kPieceSeconds) {
    data::audio::Part part{begin + at, std::min(kPieceSeconds, asked - at)};
    if (asked <= kPieceSeconds) part = data::audio::part_of(row);  // as training reads it
    const auto piece = data::audio::decode(row.audio(), kPieceSeconds + 1, part);
    sums.add(piece.samples);
    samples += piece.samples.numel();
  }
  facts.seconds = static_cast<double>(samples) / static_cast<double>(facts.sample_rate);
  facts.wave = sums.facts();
}

}  // namespace

AudioFacts check_audio(const data::Row& row, AudioDepth depth) {
  AudioFacts facts;
  if (depth == AudioDepth::kNone) return facts;
  try {
    read_header(row, facts);
    if (depth == AudioDepth::kDecode) read_samples(row, facts);
  } catch (const UserError& e) {
    facts.failure = e.what();
  }
  return facts;
}

std::vector<std::string> suspicions(const AudioFacts& facts) {
  constexpr double kSilent = 1e-3, kOffset = 0.02, kClippedShare = 1e-3, kShort = 0.1;
  std::vector<std::string> all;
  if (facts.failure.empty() && facts.seconds >= 0 && facts.seconds < kShort)
    all.push_back(fmt::format("short: {:.0f} ms", 1000 * facts.seconds));
  if (!facts.wave) return all;
  const WaveFacts& wave = *facts.wave;
  const double level = std::sqrt(std::max(wave.rms * wave.rms - wave.mean * wave.mean, 0.0));
  if (level < kSilent)
    all.push_back(wave.peak == 0 ? fmt::format("silent: every sample{} is 0",
                                               facts.channels > 1 ? ", the mean of the channels," : "")
                                 : fmt::format("silent: its level is {:.0f} dB", 20 * std::log10(level + 1e-12)));
  if (std::abs(wave.mean) > kOffset) all.push_back(fmt::format("its samples are {:.2f} off zero", wave.mean));
  if (wave.clipped > kClippedShare) all.push_back(fmt::format("clipped: {:.1f} % of its samples", 100 * wave.clipped));
  if (wave.peak > 1.01) all.push_back(fmt::format("beyond full scale, up to {:.1f}", wave.peak));
  return all;
}

}  // namespace usam::inspect
