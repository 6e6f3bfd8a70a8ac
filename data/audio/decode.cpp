#include "data/audio/decode.h"

#include <sndfile.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "src/base/error.h"

namespace usam::data::audio {
namespace {

constexpr int64_t kMinRate = 1000, kMaxRate = 768000;
constexpr sf_count_t kBlockSamples = 65536;       // over all channels
constexpr sf_count_t kUnknownFrames = 1LL << 48;  // libsndfile gives the largest integer where the header has no length
constexpr double kMaxCountedSeconds = 7 * 24 * 3600;  // a file without a length is not read for longer than this
constexpr float kLoudest = 1e6f;                      // full scale is 1; 16-bit integers stored as floats still pass

struct CloseFile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using File = std::unique_ptr<SNDFILE, CloseFile>;

// libsndfile's reason for a file that it could not open, with the codec's tag where that is the reason.
std::string open_failure(const std::string& path) {
  static std::mutex mutex;  // the reason lives in a global
  const std::lock_guard lock(mutex);
  SF_INFO info{};
  if (File(sf_open(path.c_str(), SFM_READ, &info))) return "it could be opened only at the second try";
  std::string reason = sf_strerror(nullptr);
  if (!reason.empty() && reason.back() == '.') reason.pop_back();
  std::array<char, 4096> buffer{};
  sf_command(nullptr, SFC_GET_LOG_INFO, buffer.data(), static_cast<int>(buffer.size()) - 1);
  const std::string log = buffer.data();
  if (const auto unknown = log.find(" => Unknown format"); unknown != std::string::npos) {
    const auto tag = log.rfind("0x", unknown);
    if (tag != std::string::npos) reason += ", codec tag " + log.substr(tag, unknown - tag);
  }
  return reason;
}

void check_is_file(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) user_error("{}: the audio file does not exist", path);
  if (!std::filesystem::is_regular_file(status)) user_error("{}: not a file", path);  // a pipe would hang
  if (std::filesystem::file_size(path, error) == 0) user_error("{}: the audio file is empty", path);
}

File open(const std::string& path, SF_INFO& info) {
  check_is_file(path);
  info = SF_INFO{};
  File file(sf_open(path.c_str(), SFM_READ, &info));
  if (!file)
    user_error("{}: cannot be read as audio: {} (wav, flac, ogg, opus, mp3, aiff, au, caf and w64 can)", path,
               open_failure(path));
  if (info.samplerate < kMinRate || info.samplerate > kMaxRate)
    user_error("{}: a sample rate of {} Hz is outside {} to {} Hz", path, info.samplerate, kMinRate, kMaxRate);
  if (info.channels < 1) user_error("{}: the file has no channels", path);
  return file;
}

// Calls use(block, frames) for each block of interleaved samples until the file ends or `use` returns false.
template <class Use>
void read_blocks(SNDFILE* file, const SF_INFO& info, Use use) {
  const sf_count_t block_frames = std::max<sf_count_t>(1, kBlockSamples / info.channels);
  std::vector<float> block(static_cast<size_t>(block_frames * info.channels));
  while (true) {
    const sf_count_t frames = sf_readf_float(file, block.data(), block_frames);
    if (frames <= 0 || !use(block.data(), frames)) return;
  }
}

// Appends the mean of the channels. A sum of finite samples could overflow only above kLoudest, which is refused.
void append_mean(const std::string& path, const float* block, sf_count_t frames, const SF_INFO& info,
                 std::vector<float>& mono) {
  for (sf_count_t t = 0; t < frames; ++t) {
    float sum = 0;
    for (int c = 0; c < info.channels; ++c) {
      const float x = block[t * info.channels + c];
      if (!(std::abs(x) <= kLoudest)) {
        const double at = static_cast<double>(mono.size()) / info.samplerate;
        if (!std::isfinite(x))
          user_error("{}: a sample at {:.3f} s is {}", path, at, std::isnan(x) ? "NaN" : "infinite");
        user_error("{}: a sample at {:.3f} s is {:g}; full scale is 1", path, at, x);
      }
      sum += x;
    }
    mono.push_back(sum / static_cast<float>(info.channels));
  }
}

// A lossy stream may end early or have padding that its header does not tell; a lossless one that does is damaged.
bool is_lossless(const SF_INFO& info) {
  const int container = info.format & SF_FORMAT_TYPEMASK;
  return container != SF_FORMAT_OGG && container != SF_FORMAT_MPEG;
}

}  // namespace

Info probe(const std::string& path) {
  SF_INFO info;
  const File file = open(path, info);
  sf_count_t frames = info.frames;
  if (frames < 0 || frames > kUnknownFrames) {
    frames = 0;
    read_blocks(file.get(), info, [&](const float*, sf_count_t n) {
      frames += n;
      return static_cast<double>(frames) < kMaxCountedSeconds * info.samplerate;
    });
  }
  if (frames == 0) user_error("{}: the audio file has no samples", path);
  return {info.samplerate, info.channels, static_cast<double>(frames) / info.samplerate};
}

Audio decode(const std::string& path, double max_seconds) {
  SF_INFO info;
  const File file = open(path, info);
  const double limit = std::ceil(max_seconds * info.samplerate);
  Audio audio;
  audio.sample_rate = info.samplerate;
  std::vector<float> mono;
  read_blocks(file.get(), info, [&](const float* block, sf_count_t frames) {
    append_mean(path, block, frames, info, mono);
    audio.is_cut = static_cast<double>(mono.size()) > limit;
    return !audio.is_cut;
  });
  if (audio.is_cut) mono.resize(static_cast<size_t>(limit));
  if (mono.empty()) user_error("{}: the audio file has no samples", path);
  if (!audio.is_cut && is_lossless(info) && std::ssize(mono) < info.frames && info.frames < kUnknownFrames)
    user_error("{}: the file is damaged: {} of {} samples could be read", path, mono.size(), info.frames);
  audio.samples = torch::from_blob(mono.data(), {std::ssize(mono)}, torch::kFloat32).clone();
  return audio;
}

}  // namespace usam::data::audio
