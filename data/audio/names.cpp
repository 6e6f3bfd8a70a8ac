#include "data/audio/names.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <string>

namespace usam::data::audio {
namespace {

constexpr std::array kEndings = {"wav", "flac", "mp3", "ogg", "oga",  "opus", "aiff", "aif", "aifc",
                                 "au",  "snd",  "caf", "w64", "rf64", "m4a",  "mp4",  "aac", "webm"};

}  // namespace

bool is_audio_name(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string ending(name.substr(dot + 1));
  return std::ranges::any_of(kEndings, [&](const char* known) { return strcasecmp(ending.c_str(), known) == 0; });
}

}  // namespace usam::data::audio
