// Recordings: what is decoded is finite and of the length that was asked for at most.
#include <sndfile.h>

#include <algorithm>

#include "data/audio/decode.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

// The decoders behind libsndfile lose some KB for some damaged files.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libvorbis\nleak:libsndfile\nleak:libmpg123\nleak:libopus\nleak:libFLAC\n";
}

namespace usam::fuzz {
namespace {

constexpr uintmax_t kMostSeedBytes = 32768;

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string written(int format, int channels = 1) {
  const MemoryFile file("");
  SF_INFO info{};
  info.samplerate = 16000;
  info.channels = channels;
  info.format = format;
  SNDFILE* out = sf_open(file.path().c_str(), SFM_WRITE, &info);
  const std::vector<short> samples(800, 1000);
  sf_write_short(out, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(out);
  return bytes_of(file.path());
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const int kind :
       {SF_FORMAT_PCM_16, SF_FORMAT_FLOAT, SF_FORMAT_ULAW, SF_FORMAT_IMA_ADPCM, SF_FORMAT_MS_ADPCM, SF_FORMAT_GSM610})
    all.push_back(written(SF_FORMAT_WAV | kind));
  for (const int container :
       {SF_FORMAT_WAVEX, SF_FORMAT_RF64, SF_FORMAT_AIFF, SF_FORMAT_AU, SF_FORMAT_CAF, SF_FORMAT_W64, SF_FORMAT_FLAC})
    all.push_back(written(container | SF_FORMAT_PCM_16, 2));
  const char* shared = std::getenv("USAM_SHARED");
  std::error_code none;
  for (const char* folder : {"data/bad", "data/formats"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(shared ? shared : "../shared") / folder, none)) {
      if (entry.is_regular_file() && entry.path().extension() != ".jsonl" && entry.file_size() <= kMostSeedBytes)
        all.push_back(bytes_of(entry.path()));
    }
  }
  return all;
}

void read(std::string_view bytes) {
  const MemoryFile file(bytes);
  const auto path = file.path();
  try {
    data::audio::probe(path);
  } catch (const UserError&) {
    // Decoding says so too, or finds more.
  }
  for (const data::audio::Part& part : {data::audio::Part{}, data::audio::Part{0.01, 0.02}}) {
    const auto audio = data::audio::decode(path, 2, part);
    const double seconds = std::min(2.0, part.seconds);
    if (audio.samples.numel() < 1 || audio.seconds() > seconds + 0.002) std::abort();
    if (!audio.samples.isfinite().all().item<bool>()) std::abort();
  }
}

}  // namespace usam::fuzz
