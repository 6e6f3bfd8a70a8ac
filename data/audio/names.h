#pragma once
#include <string_view>

namespace usam::data::audio {

// Whether a file in a folder or a member of a tar is taken for a recording: by the ending of its name, in any case. How
// it is read its content decides; m4a, mp4, aac and webm are refused when they are read, by a sentence that says so.
bool is_audio_name(std::string_view name);

}  // namespace usam::data::audio
