#include "data/audio/names.h"

#include <algorithm>
#include <array>
#include <string>

namespace usam::data::audio {
namespace {

constexpr std::array<std::string_view, 18> kEndings = {"wav",  "flac", "mp3",  "ogg", "oga", "opus",
                                                       "aiff", "aif",  "aifc", "au",  "snd", "caf",
                                                       "w64",  "rf64", "m4a",  "mp4", "aac", "webm"};

}  // namespace

bool is_audio_name(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string ending(name.substr(dot + 1));
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return std::ranges::find(kEndings, ending) != kEndings.end();
}

}  // namespace usam::data::audio
