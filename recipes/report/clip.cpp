// T frames, M mel bands.
#include "recipes/report/clip.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/audio/bytes.h"
#include "data/audio/decode.h"
#include "data/audio/resample.h"
#include "data/features/front_end.h"
#include "src/base/error.h"
#include "src/eval/html/markup.h"
#include "src/io/png.h"

namespace usam::recipes {
namespace {

constexpr int64_t kMostColumns = 640;  // of a spectrogram
constexpr double kRangeDb = 80;

std::string little_endian(uint32_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// What browsers play, by the first bytes of a file; "" for anything else.
std::string browser_type(std::string_view bytes) {
  if (bytes.starts_with("fLaC")) return "audio/flac";
  if (bytes.starts_with("OggS")) return "audio/ogg";
  const bool is_frame = bytes.size() > 1 && bytes[0] == '\xFF' && (static_cast<uint8_t>(bytes[1]) & 0xE6) == 0xE2;
  return bytes.starts_with("ID3") || is_frame ? "audio/mpeg" : "";
}

std::string escaped_url(const std::string& path) {
  std::string url;
  for (const char c : path) {
    const bool is_plain =
        std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-._~/").find(c) != std::string_view::npos;
    url += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return url;
}

}  // namespace

ShownClip read_shown(const data::Row& row) {
  const auto audio = data::audio::decode(row.audio(), kShownSeconds, data::audio::part_of(row));
  return {data::audio::resample(audio.samples, static_cast<double>(audio.sample_rate), kShownRate), audio.seconds(),
          audio.is_cut, row};
}

std::string wav_bytes(const torch::Tensor& samples, int64_t rate) {
  const auto pcm = (samples.clamp(-1, 1) * 32767).round().to(torch::kShort).contiguous();
  const std::string data(reinterpret_cast<const char*>(pcm.const_data_ptr<int16_t>()),
                         static_cast<size_t>(pcm.numel()) * 2);
  const auto size = static_cast<uint32_t>(data.size()), hz = static_cast<uint32_t>(rate);
  return "RIFF" + little_endian(36 + size, 4) + "WAVEfmt " + little_endian(16, 4) + little_endian(1, 2) +
         little_endian(1, 2) + little_endian(hz, 4) + little_endian(2 * hz, 4) + little_endian(2, 2) +
         little_endian(16, 2) + "data" + little_endian(size, 4) + data;
}

std::string audio_uri(const ShownClip& clip) {
  if (!clip.is_cut && !clip.row.audio().is_part) {
    data::audio::Stretch file(clip.row.audio());
    if (file.size() <= 2 * clip.samples.numel()) {
      const std::string bytes = file.text();
      if (const auto type = browser_type(bytes); !type.empty()) return eval::html::data_uri(type, bytes);
    }
  }
  return eval::html::data_uri("audio/wav", wav_bytes(clip.samples, kShownRate));
}

std::string file_link(const std::string& file, const std::string& folder) {
  const auto path = std::filesystem::proximate(file, folder).string();
  return (path.starts_with("/") ? "file://" : "") + escaped_url(path);
}

std::string audio_link(const data::Row& row, const std::string& folder) {
  const data::AudioRef& audio = row.audio();
  std::string part = audio.is_part ? fmt::format("#t={:g}", audio.offset) : "";
  if (audio.is_part && row.seconds > 0) part += fmt::format(",{:g}", audio.offset + row.seconds);
  return file_link(audio.path, folder) + part;
}

torch::Tensor spectrogram(const torch::Tensor& samples) {
  const auto front_end = data::make_front_end(CedMelSpec{kShownRate});
  const auto padding = std::max<int64_t>(front_end->min_samples() - samples.numel(), 0);
  const auto db_TM = (*front_end)(torch::constant_pad_nd(samples, {0, padding}));
  auto grey_MT = (1 + (db_TM - db_TM.max()) / kRangeDb).clamp(0, 1).t();
  if (grey_MT.size(1) > kMostColumns)
    grey_MT = torch::adaptive_avg_pool1d(grey_MT.unsqueeze(0), kMostColumns).squeeze(0);
  return (grey_MT * 255).round().to(torch::kByte).flip(0);
}

std::string spectrogram_png(const torch::Tensor& samples) {
  return io::encode_png(spectrogram(samples));
}

torch::Tensor masked_spectrogram(const ShownClip& clip, const Json& explained) {
  constexpr int64_t kStrip = 8;  // pixels
  auto grey_MT = spectrogram(clip.samples);
  const int64_t columns = grey_MT.size(1);
  auto red_MT = grey_MT, strip_T = torch::zeros({columns}, torch::kByte);
  if (explained.contains("kept") && !explained["kept"].empty()) {
    const auto values = [&](const char* name) { return torch::tensor(explained[name].get<std::vector<float>>()); };
    const auto kept = values("kept"), scores = values("scores");
    // The token that is heard in the middle of each column; none behind the last one.
    const double covered = explained.value("seconds", clip.seconds);
    const double tokens = static_cast<double>(kept.size(0)) * (covered > 0 ? clip.seconds / covered : 1);
    const auto token_T =
        ((torch::arange(columns) + 0.5) * (tokens / static_cast<double>(columns))).floor().to(torch::kLong);
    const auto is_token_T = token_T < kept.size(0), place_T = token_T.clamp_max(kept.size(0) - 1);
    const auto dropped_T = is_token_T & (kept.index_select(0, place_T) == 0);
    red_MT = torch::where(dropped_T, grey_MT / 2 + 96, grey_MT).to(torch::kByte);
    grey_MT = torch::where(dropped_T, grey_MT / 2, grey_MT).to(torch::kByte);
    strip_T = (scores.index_select(0, place_T).clamp(0, 1) * is_token_T * 255).to(torch::kByte);
  }
  const auto strip_HW = strip_T.unsqueeze(0).expand({kStrip, -1});
  const auto other_HW = torch::cat({grey_MT, strip_HW});
  return torch::stack({torch::cat({red_MT, strip_HW}), other_HW, other_HW}, 2).contiguous();
}

}  // namespace usam::recipes
