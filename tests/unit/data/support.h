#pragma once
// Audio files, manifests and a small recipe for the tests of data/.
#include <sndfile.h>
#include <torch/torch.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "data/data_set.h"
#include "data/manifest.h"
#include "data/plan.h"
#include "src/base/error.h"
#include "tests/support.h"

namespace usam::data::test_support {

// Writes interleaved samples as a float wav file and returns its path.
inline std::string write_wav(const test::TemporaryFolder& folder, const std::string& name,
                             const std::vector<float>& samples, int rate = 16000, int channels = 1) {
  const std::string path = (folder.path() / name).string();
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = channels;
  info.format = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  sf_writef_float(file, samples.data(), static_cast<sf_count_t>(samples.size()) / channels);
  sf_close(file);
  return path;
}

inline std::vector<float> tone(double seconds, double hz, int rate = 16000) {
  std::vector<float> samples(static_cast<size_t>(std::lround(seconds * rate)));
  for (size_t i = 0; i < samples.size(); ++i)
    samples[i] = 0.5f * std::sin(2 * M_PI * hz * static_cast<double>(i) / rate);
  return samples;
}

inline std::string line(const std::string& key, const std::string& wav, double seconds,
                        const std::string& label = "one two") {
  return fmt::format(R"({{"key": "{}", "wav": "{}", "label": "{}", "task": "ASR", "dur": {}}})", key, wav, label,
                     seconds) +
         "\n";
}

// A source without files, for plans.
class Lengths final : public Source {
 public:
  explicit Lengths(std::vector<double> seconds) : seconds_(std::move(seconds)) {}
  int64_t size() const override { return std::ssize(seconds_); }
  Row row(int64_t index) const override {
    Row row;
    row.key = "clip" + std::to_string(index);
    row.seconds = seconds(index);
    row.audios.resize(1);
    row.line = index + 1;
    return row;
  }
  double seconds(int64_t index) const override { return seconds_.at(static_cast<size_t>(index)); }
  std::string name() const override { return "lengths.jsonl"; }

 private:
  std::vector<double> seconds_;
};

inline std::shared_ptr<const EpochPlan> plan_epoch(std::shared_ptr<const Source> source, const PlanOptions& options,
                                                   int64_t epoch) {
  return Planner(std::move(source), options).plan(epoch);
}

// A recipe's view: a mel and a wave stream, the label as bytes.
inline DataPlan small_plan() {
  DataPlan plan;
  plan.streams = {{"mel", CedMelSpec{}, 2400}, {"wave", WaveSpec{24000, true}, 0}};
  plan.min_seconds = 0.15;
  plan.fields = {
      {"mel", Layout::kPadded}, {"wave", Layout::kPadded}, {"text", Layout::kPacked}, {"seconds", Layout::kPadded}};
  plan.length = [](const Row& row, double seconds) {
    return SampleLength{seconds, static_cast<int64_t>(25 * seconds), std::ssize(row.references.front())};
  };
  plan.make_example = [](const Row& row, const Clip& clip) {
    const std::string& label = row.references.front();
    if (label == "refuse me") user_error("the label is refused");
    if (label == "break me") internal_error("the recipe is broken");
    Example example;
    example["mel"] = clip.features.at("mel");
    example["wave"] = clip.features.at("wave");
    example["text"] = torch::tensor(std::vector<int64_t>(label.begin(), label.end()));
    example["seconds"] = torch::tensor(clip.seconds);
    return example;
  };
  return plan;
}

inline DataConfig small_config(int64_t rows = 3, int64_t threads = 0) {
  DataConfig config;
  config.batch.rows = rows;
  config.threads = threads;
  return config;
}

}  // namespace usam::data::test_support
