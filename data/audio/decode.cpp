#include "data/audio/decode.h"

#include <sndfile.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <vector>

#include "data/audio/bytes.h"
#include "src/base/error.h"

namespace usam::data::audio {
namespace {

constexpr int64_t kMinRate = 1000, kMaxRate = 768000;
constexpr sf_count_t kBlockSamples = 8192;        // over all channels; they stay in the processor's cache
constexpr sf_count_t kTrustedFrames = 1 << 20;    // room for so many is made because a header says so
constexpr sf_count_t kUnknownFrames = 1LL << 48;  // libsndfile gives the largest integer where the header has no length
constexpr sf_count_t kMaxCountedSeconds = 7 * 24 * 3600;  // a file without a length is not read for longer than this
constexpr float kLoudest = 1e6f;  // full scale is 1; 16-bit integers stored as floats still pass

struct CloseFile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using File = std::unique_ptr<SNDFILE, CloseFile>;

// libsndfile keeps the reason of a failed opening in a global, which every opening clears.
std::shared_mutex openings;

// That reason, with the codec's tag where that is it.
std::string open_failure(Stretch& bytes) {
  const std::lock_guard lock(openings);
  SF_INFO info{};
  if (File(sf_open_virtual(bytes.io(), SFM_READ, &info, &bytes))) return "it could be opened only at the second try";
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

File open(Stretch& bytes, const std::string& shown, SF_INFO& info) {
  info = SF_INFO{};
  File file;
  {
    const std::shared_lock lock(openings);
    file.reset(sf_open_virtual(bytes.io(), SFM_READ, &info, &bytes));
  }
  const std::string reason = file ? "" : open_failure(bytes);
  bytes.check();
  if (!file)
    user_error("{}: cannot be read as audio: {} (wav, flac, ogg, opus, mp3, aiff, au, caf and w64 can)", shown, reason);
  if (info.samplerate < kMinRate || info.samplerate > kMaxRate)
    user_error("{}: a sample rate of {} Hz is outside {} to {} Hz", shown, info.samplerate, kMinRate, kMaxRate);
  if (info.channels < 1) user_error("{}: the file has no channels", shown);
  return file;
}

// Calls use(block) with interleaved samples until `count` frames were read or the file ended; returns how many were.
template <class Use>
sf_count_t read_frames(SNDFILE* file, const SF_INFO& info, sf_count_t count, Use use) {
  const sf_count_t block_frames = std::max<sf_count_t>(1, kBlockSamples / info.channels);
  std::vector<float> block(static_cast<size_t>(std::min(block_frames, count) * info.channels));
  sf_count_t done = 0;
  while (done < count) {
    const sf_count_t frames = sf_readf_float(file, block.data(), std::min(block_frames, count - done));
    if (frames <= 0) break;
    use(std::span(block).first(static_cast<size_t>(frames * info.channels)));
    done += frames;
  }
  return done;
}

// A lossy stream may end early or have padding that its header does not tell; a lossless one that does is damaged.
bool is_lossless(const SF_INFO& info) {
  const int container = info.format & SF_FORMAT_TYPEMASK;
  return container != SF_FORMAT_OGG && container != SF_FORMAT_MPEG;
}

// Reads stretches of a file, each beginning where the one before it began or later.
class Reader {
 public:
  explicit Reader(const AudioRef& audio)
      : path_(audio.path),
        begin_(audio.begin),
        shown_(audio.shown()),
        bytes_(audio),
        file_(open(bytes_, shown_, info_)),
        written_(time_of(path_)) {}

  const SF_INFO& info() const { return info_; }
  sf_count_t frame_at(double seconds) const { return std::llround(seconds * info_.samplerate); }
  // A frame of mp3 leans on those before it, so that libsndfile finds other samples there by seeking; some telephone
  // codecs cannot seek at all. In the other formats a stretch holds the same samples however it was come to.
  bool is_forward_only() const { return !info_.seekable || (info_.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_MPEG; }
  // Whether it is of this file, unchanged, and can still read what begins there.
  bool can_read(const AudioRef& audio, double seconds) const {
    return audio.path == path_ && audio.begin == begin_ && frame_at(seconds) >= first_ && time_of(path_) == written_;
  }

  // The means of the channels of `count` frames from `first` on, or of those up to the file's end.
  std::span<const float> read(sf_count_t first, sf_count_t count) {
    go_to(first);
    const sf_count_t promised = std::clamp<sf_count_t>(info_.frames - first, 0, kTrustedFrames);
    mono_.reserve(static_cast<size_t>(std::min(count, promised)));
    const sf_count_t left = std::max<sf_count_t>(count - std::ssize(mono_), 0);  // none of a part within the last one
    read_frames(file_.get(), info_, left, [this](std::span<const float> b) { append_mean(b); });
    bytes_.check();
    return std::span(mono_).first(static_cast<size_t>(std::min<sf_count_t>(count, std::ssize(mono_))));
  }

  // The first `count` of what was read last, which this gives away.
  torch::Tensor take(int64_t count) {
    const auto mono = std::make_shared<std::vector<float>>(std::move(mono_));
    return torch::from_blob(mono->data(), {count}, [mono](void*) {}, torch::kFloat32);
  }

 private:
  static std::filesystem::file_time_type time_of(const std::string& path) {
    std::error_code error;
    return std::filesystem::last_write_time(path, error);
  }

  void go_to(sf_count_t first) {
    const auto known = std::min<sf_count_t>(first - first_, std::ssize(mono_));
    mono_.erase(mono_.begin(), mono_.begin() + known);
    first_ += known;
    if (first_ == first) return;
    if (is_forward_only()) {
      first_ += read_frames(file_.get(), info_, first - first_, [](std::span<const float>) {});
    } else if (first < info_.frames && sf_seek(file_.get(), first, SEEK_SET) == first) {
      first_ = first;
    }
    bytes_.check();
    if (first_ < first)
      user_error("{}: the part that begins at {:g} s is not there: the file holds {:.2f} s", shown_, in_seconds(first),
                 in_seconds(is_forward_only() ? first_ : info_.frames));
  }

  // A sum of finite samples could overflow only above kLoudest, which is refused.
  void append_mean(std::span<const float> block) {
    const auto channels = static_cast<size_t>(info_.channels);
    if (channels == 1 && are_sound(block)) {
      mono_.insert(mono_.end(), block.begin(), block.end());
      return;
    }
    for (size_t at = 0; at < block.size(); at += channels) {
      float sum = 0;
      for (const float x : block.subspan(at, channels)) {
        if (!(std::abs(x) <= kLoudest)) refuse(x);
        sum += x;
      }
      mono_.push_back(sum / static_cast<float>(info_.channels));
    }
  }
  // One look at each without a branch, which the compiler does for several at once.
  static bool are_sound(std::span<const float> block) {
    int loud = 0;
    for (const float x : block) loud |= !(std::abs(x) <= kLoudest);
    return loud == 0;
  }
  [[noreturn]] void refuse(float x) const {
    const double at = in_seconds(first_ + std::ssize(mono_));
    if (!std::isfinite(x)) user_error("{}: a sample at {:.3f} s is {}", shown_, at, std::isnan(x) ? "NaN" : "infinite");
    user_error("{}: a sample at {:.3f} s is {:g}; full scale is 1", shown_, at, x);
  }
  double in_seconds(sf_count_t frames) const { return static_cast<double>(frames) / info_.samplerate; }

  std::string path_;
  int64_t begin_;
  std::string shown_;
  Stretch bytes_;
  SF_INFO info_{};
  File file_;
  std::filesystem::file_time_type written_;
  sf_count_t first_ = 0;  // frame that mono_ begins with
  std::vector<float> mono_;
};

std::string format_name(const SF_INFO& info) {
  const auto name_of = [](int format) {
    SF_FORMAT_INFO found{};
    found.format = format;
    const bool is_known = sf_command(nullptr, SFC_GET_FORMAT_INFO, &found, sizeof found) == 0 && found.name;
    return is_known ? std::string(found.name) : fmt::format("{:#x}", format);
  };
  return name_of(info.format & SF_FORMAT_TYPEMASK) + ", " + name_of(info.format & SF_FORMAT_SUBMASK);
}

}  // namespace

Info probe(const AudioRef& audio) {
  SF_INFO info;
  Stretch bytes(audio);
  const File file = open(bytes, audio.shown(), info);
  sf_count_t frames = info.frames;
  if (frames < 0 || frames > kUnknownFrames)
    frames = read_frames(file.get(), info, kMaxCountedSeconds * info.samplerate, [](std::span<const float>) {});
  bytes.check();
  if (frames == 0) user_error("{}: the audio file has no samples", audio.shown());
  return {info.samplerate, info.channels, static_cast<double>(frames) / info.samplerate, format_name(info)};
}

Part part_of(const Row& row) {
  if (!row.audio().is_part) return {};
  return row.seconds > 0 ? Part{row.audio().offset, row.seconds} : Part{.offset = row.audio().offset};
}

Audio decode(const AudioRef& source, double max_seconds, const Part& part) {
  // Parts of a file that is read forward are asked for one after the other more often than not.
  thread_local std::unique_ptr<Reader> kept;
  const bool is_kept = !part.is_whole() && kept && kept->can_read(source, part.offset);
  auto reader = is_kept ? std::move(kept) : std::make_unique<Reader>(source);

  const SF_INFO& info = reader->info();
  const sf_count_t first = reader->frame_at(part.offset);
  const auto in_frames = [&](double frames) {
    return static_cast<sf_count_t>(std::min(frames, double{kUnknownFrames}));
  };
  const sf_count_t limit = in_frames(std::ceil(max_seconds * info.samplerate));
  const sf_count_t wanted = in_frames(std::round((part.offset + part.seconds) * info.samplerate)) - first;
  std::span<const float> mono = reader->read(first, std::min(wanted, limit + 1));

  Audio audio;
  audio.sample_rate = info.samplerate;
  audio.is_cut = std::ssize(mono) > limit;
  if (mono.empty()) user_error("{}: the audio file has no samples", source.shown());
  const sf_count_t promised = std::min(info.frames - first, wanted);
  if (!audio.is_cut && is_lossless(info) && std::ssize(mono) < promised && info.frames < kUnknownFrames)
    user_error("{}: the file is damaged: {} of {} samples could be read", source.shown(), first + std::ssize(mono),
               info.frames);
  if (audio.is_cut) mono = mono.first(static_cast<size_t>(limit));
  const bool is_read_on = !part.is_whole() && reader->is_forward_only();
  if (!is_read_on) {
    audio.samples = reader->take(std::ssize(mono));
    return audio;
  }
  audio.samples = torch::empty({std::ssize(mono)}, torch::kFloat32);
  std::ranges::copy(mono, audio.samples.data_ptr<float>());
  kept = std::move(reader);
  return audio;
}

}  // namespace usam::data::audio
