#pragma once
// A corpus that the tests make: a few seconds of tones and noise in three splits, with what real ones have: several
// tasks, tags, stereo, rates that differ, a clip that is longer than data.max_seconds of configs/tests/tiny.yaml.
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "src/base/json.h"
#include "tests/support.h"

namespace usam::test {

struct WavFormat {
  int rate = 16000;
  int channels = 1;
};

// Writes interleaved samples in [-1, 1] as a 16-bit wav file.
inline void write_wav(const std::filesystem::path& path, const std::vector<double>& samples, WavFormat format = {}) {
  std::string data;
  const auto put = [&data](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) data.push_back(static_cast<char>(value >> (8 * i)));
  };
  const auto size = static_cast<uint32_t>(samples.size() * 2);
  const auto rate = static_cast<uint32_t>(format.rate), channels = static_cast<uint32_t>(format.channels);
  data += "RIFF", put(36 + size, 4), data += "WAVEfmt ", put(16, 4), put(1, 2), put(channels, 2), put(rate, 4);
  put(rate * channels * 2, 4), put(channels * 2, 2), put(16, 2), data += "data", put(size, 4);
  for (const double sample : samples) put(static_cast<uint16_t>(std::lround(sample * 32767)), 2);
  std::ofstream(path, std::ios::binary) << data;
}

// `seconds` of a tone with a little noise; 0 Hz: noise alone. The same on both channels.
inline std::vector<double> sound(double hz, double seconds, WavFormat format = {}) {
  std::vector<double> samples;
  uint32_t state = 12345;
  for (int64_t i = 0; i < std::llround(seconds * format.rate); ++i) {
    state = state * 1664525 + 1013904223;
    const double noise = (static_cast<double>(state >> 8) / (1 << 24) - 0.5) * (hz > 0 ? 0.05 : 0.6);
    const double tone = hz > 0 ? 0.4 * std::sin(2 * M_PI * hz * static_cast<double>(i) / format.rate) : 0;
    samples.insert(samples.end(), static_cast<size_t>(format.channels), tone + noise);
  }
  return samples;
}

class Corpus {
 public:
  // Writes train.jsonl (12 rows), valid.jsonl (4) and test.jsonl (6) and points USAM_CORPUS at them.
  Corpus() {
    for (int i = 0; i < 12; ++i) add("train", i, 0.5 + 0.1 * i);
    add_row("train", "long", sound(330, 2.5), {}, {{"label", "one two three"}, {"task", "ASR"}, {"dur", 2.5}});
    for (int i = 0; i < 4; ++i) add("valid", i, 0.55 + 0.2 * i);
    for (int i = 0; i < 6; ++i) add("test", i, 0.65 + 0.25 * i);
    setenv("USAM_CORPUS", folder_.path().c_str(), 1);
  }
  static constexpr int kTrain = 13, kValid = 4, kTest = 6;

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string write(const std::string& name, const std::string& text) const { return folder_.write(name, text); }
  // Makes a clip's file unreadable.
  void damage(const std::string& key) const { folder_.write(key + ".wav", "this is no audio"); }
  void add_row(const std::string& split, const std::string& key, const std::vector<double>& samples, WavFormat format,
               Json row) const {
    write_wav(folder_.path() / (key + ".wav"), samples, format);
    Json line = {{"key", key}, {"wav", key + ".wav"}};
    line.update(row);
    std::ofstream(folder_.path() / (split + ".jsonl"), std::ios::app) << line.dump() << "\n";
  }

 private:
  // Clip `i` of a split: tasks take turns, and with them pitch and label.
  void add(const std::string& split, int i, double seconds) const {
    static const std::vector<std::string> words = {"one two", "two three", "three one", "two one"};
    static const std::vector<WavFormat> formats = {{16000, 1}, {22050, 2}, {24000, 1}};
    const auto n = static_cast<size_t>(i);
    const bool high = (i / 3) % 2 == 1;
    Json row = {{"dur", seconds}};
    double hz = high ? 1500 : 300;
    if (i % 3 == 0) row.update({{"task", "ASR"}, {"label", words[n / 3 % 4]}});
    if (i % 3 == 1) row.update({{"task", "SEC"}, {"label", high ? "noise" : "tone"}});
    if (i % 3 == 1 && high) hz = 0;
    if (i % 3 == 2) {
      const std::vector<std::string> tags = {high ? "bright" : "dark", "calm"};
      row.update({{"task", "MC"}, {"label", tags[0] + ", " + tags[1]}, {"tags", tags}});
    }
    const auto format = formats[n / 2 % 3];
    add_row(split, split + std::to_string(i), sound(hz + 40 * i * (hz > 0), seconds, format), format, row);
  }

  TemporaryFolder folder_;
};

}  // namespace usam::test
